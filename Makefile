# make run   everything from a fresh machine to a working page on http://127.0.0.1:8000
# make test  everything from a fresh machine to the whole test suite passed
# Both set up what they need; a second call starts in seconds.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3)
UV_VERSION := 0.13.8
BIN := .venv/bin
PORT ?= 8000
CATALOG ?=
FRONTEND_SOURCES := $(shell find frontend -path frontend/node_modules -prune -o -type f -print)

export OPENCV_LOG_LEVEL ?= ERROR
# bytecode is kept, whatever the shell says: without it every process compiles its libraries again, for seconds
export PYTHONDONTWRITEBYTECODE =

.PHONY: help run test lint format bench fuzz licenses audit lock clean setup

help:
	@sed -n '1,/^$$/s/^# //p' Makefile

# ---- set-up -----------------------------------------------------------------------------

.venv/.ready: requirements.lock
	@echo "==> Python environment (downloads about 3 GB the first time, mostly PyTorch)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -c 'import sys; assert sys.version_info[:2] in {(3, 11), (3, 12)}, "Python 3.11 or 3.12 is needed; set PYTHON=..."'
	@$(BIN)/uv --version 2>/dev/null | grep -qF ' $(UV_VERSION)' || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv pip sync --compile-bytecode --python $(BIN)/python requirements.lock || $(BIN)/python -m pip install -r requirements.lock
	@touch $@

frontend/node_modules/.ready: frontend/package-lock.json
	@echo "==> Front-end packages"
	@npm ci --prefix frontend --no-audit --no-fund --loglevel=error
	@touch $@

webapp/static/dist/.ready: frontend/node_modules/.ready $(FRONTEND_SOURCES)
	@echo "==> Front end"
	@npm run build --prefix frontend --silent
	@touch $@

var/static/.ready: webapp/static/dist/.ready .venv/.ready webapp/settings/__init__.py $(shell find webapp/static -type f -not -path '*/dist/*' 2>/dev/null)
	@echo "==> Static files"
	@$(BIN)/python manage.py collectstatic --noinput --verbosity 0
	@mkdir -p var/static && touch $@

# Until the front end is there, its steps are left out.
ifneq ($(wildcard frontend/package-lock.json),)
setup: .venv/.ready var/static/.ready
else
setup: .venv/.ready
endif

# ---- the two commands -------------------------------------------------------------------

run: setup
	@$(BIN)/python manage.py setup_local --catalog '$(CATALOG)'
	@PORT=$(PORT) exec $(BIN)/supervisord --nodaemon --configuration webapp/supervisord.conf

test: setup lint
	@if [ -f frontend/package-lock.json ]; then echo "==> Front-end tests"; npm test --prefix frontend; fi
	@echo "==> Tests"
	@$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# ---- the rest ---------------------------------------------------------------------------

lint: .venv/.ready
	@echo "==> Lint, types, layers"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: .venv/.ready
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# BENCH='--quick' ends in minutes; figures of the whole want a machine with nothing else on it
bench: .venv/.ready
	@$(BIN)/python -m ml bench $(BENCH)

# FUZZ='glb --inputs 500' for one parser; 10,000 inputs each take half a minute to a minute, STEP's 200 longer
fuzz: .venv/.ready
	@$(BIN)/python -m tests.fuzz $(FUZZ)

licenses: .venv/.ready
	@$(BIN)/python -m tests.licenses

# known holes of the locked packages; asks the package index's advisories, so it needs the internet
audit: .venv/.ready
	@$(BIN)/uv tool run pip-audit==2.10.1 --strict --no-deps --disable-pip --requirement requirements.lock

lock: .venv/.ready
	@$(BIN)/uv pip compile pyproject.toml --extra dev --python-version 3.11 --no-emit-index-url --no-annotate --no-header --quiet -o requirements.lock

clean:
	rm -rf .venv frontend/node_modules webapp/static/dist var/static
