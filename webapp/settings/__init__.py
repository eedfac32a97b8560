"""Django's settings, from `env`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import environ
from django.urls import reverse_lazy
from django_guid.integrations import CeleryIntegration
from kombu import Exchange, Queue

from webapp.settings.env import read

BASE_DIR = Path(__file__).resolve().parents[2]
ENV = read(BASE_DIR)

# ---- what kind of place this is ---------------------------------------------------------

SECRET_KEY = ENV.secret_key
DEBUG = ENV.debug
ALLOWED_HOSTS = list(ENV.hosts)
CSRF_TRUSTED_ORIGINS = list(ENV.origins)

if ENV.production:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_SSL_REDIRECT = True
    SECURE_HSTS_SECONDS = 31_536_000
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SESSION_COOKIE_SECURE = True
    CSRF_COOKIE_SECURE = True
SILENCED_SYSTEM_CHECKS = ["security.W021"]  # the preload list is for a domain's owner to ask for
SECURE_REDIRECT_EXEMPT = [r"^health/", r"^metrics$"]
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"  # a search's address is its key: never told to other sites

# ---- our own ----------------------------------------------------------------------------

SHAPELENS_DATA = ENV.data
SHAPELENS_MEDIA = ENV.media
SHAPELENS_EMBEDDER = ENV.embedder
SHAPELENS_VIEWS = ENV.views
SHAPELENS_LEASE_SECONDS = ENV.lease_seconds
SHAPELENS_SWEEP_SECONDS = ENV.sweep_seconds
SHAPELENS_JOB_WORKERS = ENV.job_workers
SHAPELENS_EMBED_MIB = ENV.embed_mib
SHAPELENS_INDEX = ENV.index
SHAPELENS_MILVUS_URL = ENV.milvus_url
SHAPELENS_PHOTO_DAYS = ENV.photo_days
SHAPELENS_DISK_MIB = ENV.disk_mib
SHAPELENS_CALLBACK_HOSTS = frozenset(ENV.callback_hosts)
SHAPELENS_KEPT_GENERATIONS = 3
SHAPELENS_QUEUE_LIMIT = ENV.queue_limit
SHAPELENS_SEARCH_RATE = ENV.search_rate
SHAPELENS_LOGIN_RATE = ENV.login_rate
SHAPELENS_BASIC_RATE = "120/min" if ENV.login_rate else ""  # requests with a password, which is slow to check
SHAPELENS_METRICS_TOKEN = ENV.metrics_token
SHAPELENS_HEARTBEAT_SECONDS = 10.0  # between two signs of life of a worker
SHAPELENS_SILENT_SECONDS = 45.0  # then it counts as gone

# ---- applications -----------------------------------------------------------------------

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django_guid",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_vite",
    "ninja",
    "auditlog",
    "catalog",
]

MIDDLEWARE = [
    "django_guid.middleware.guid_middleware",
    "webapp.middleware.Measured",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "webapp.middleware.SecurityHeaders",
    "webapp.middleware.Outages",
    "webapp.middleware.BodyLimit",
    "webapp.middleware.LoginLimit",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "auditlog.middleware.AuditlogMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "webapp.urls"
WSGI_APPLICATION = "webapp.wsgi.application"
ASGI_APPLICATION = "webapp.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "webapp" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "libraries": {"shopper": "webapp.views.tags"},
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "webapp.views.words.page_words",
            ],
        },
    },
]

# ---- database ---------------------------------------------------------------------------

if ENV.database_url:
    DATABASES = {"default": environ.Env.db_url_config(ENV.database_url)}
    DATABASES["default"].update(CONN_MAX_AGE=60, CONN_HEALTH_CHECKS=True)
else:
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": ENV.data / "db.sqlite3",
            # Several processes write: readers never wait (WAL), and a writer takes its lock when
            # its transaction begins, so that waiting for it works (`timeout`, in seconds).
            "OPTIONS": {
                "timeout": 20,
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            },
            "TEST": {"NAME": ENV.data / "test.sqlite3"},
        }
    }
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# ---- cache: only what may be lost, such as counts of requests -----------------------------

CACHES = {
    "default": environ.Env.cache_url_config(ENV.cache_url)
    if ENV.cache_url
    else {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": str(ENV.data / "cache" / "django"),
    }
}
NINJA_NUM_PROXIES = ENV.proxies

# ---- queue ------------------------------------------------------------------------------

CELERY_BROKER_URL = ENV.broker_url or "shapelens-files://localhost"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # at its start a worker waits for its broker as long as it takes
# One that loses it later ends, and its supervisor starts it anew, with nothing left of the broken connection.
CELERY_BROKER_CONNECTION_RETRY = False
CELERY_BROKER_CONNECTION_TIMEOUT = 4.0  # seconds
CELERY_BROKER_HEARTBEAT = 0  # a solo worker can't beat while it works; TCP says when a broker is gone
if ENV.broker_url.startswith(("redis:", "rediss:")):
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "socket_connect_timeout": 4,  # seconds
        "socket_keepalive": True,
        "visibility_timeout": 6 * 3600,  # seconds: longer than any task; the sweeper is sooner
    }
if not ENV.broker_url:
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "folder": str(ENV.data / "broker"),
        "polling_interval": 0.05,  # seconds: at most what an idle worker adds to a search
    }
CELERY_TASK_QUEUES = [
    Queue(name, Exchange("shapelens", type="direct"), routing_key=name)
    for name in ("search", "import", "index", "housekeeping")
]
CELERY_TASK_DEFAULT_QUEUE = "housekeeping"
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_TASK_ROUTES = {
    "catalog.tasks.run_search": {"queue": "search"},
    "catalog.tasks.run_import": {"queue": "import"},
    "catalog.tasks.run_build": {"queue": "index"},
    "catalog.tasks.run_comparison": {"queue": "index"},
    "catalog.tasks.activate_generation": {"queue": "index"},
    "catalog.tasks.deliver_callback": {"queue": "housekeeping"},
    "catalog.tasks.sweep": {"queue": "housekeeping"},
    "catalog.tasks.tidy": {"queue": "housekeeping"},
}
CELERY_BEAT_SCHEDULE = {
    "sweep": {
        "task": "catalog.tasks.sweep",
        "schedule": ENV.sweep_seconds,
        "options": {"expires": 2 * ENV.sweep_seconds},
    },
    "tidy": {"task": "catalog.tasks.tidy", "schedule": 3600.0, "options": {"expires": 3600}},
}
CELERY_BEAT_SCHEDULE_FILENAME = str(ENV.data / "beat-schedule")
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_RESULT_BACKEND = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_ALWAYS_EAGER = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_PROC_ALIVE_TIMEOUT = 180.0  # seconds a child may take to load its network
CELERY_TIMEZONE = "UTC"

# ---- web --------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "var" / "static"
STATICFILES_DIRS = [BASE_DIR / "webapp" / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = DEBUG
WHITENOISE_AUTOREFRESH = DEBUG
WHITENOISE_IMMUTABLE_FILE_TEST = r"^.+/dist/assets/.+-[\w-]{8,}\..+$"  # Vite puts a hash in the name
DJANGO_VITE = {
    "default": {
        "dev_mode": False,
        "static_url_prefix": "dist",
        "manifest_path": BASE_DIR / "webapp" / "static" / "dist" / "manifest.json",
    }
}

UPLOAD_PHOTO_BYTES = 25 * 1024 * 1024
UPLOAD_PHOTOS = 6
UPLOAD_CATALOG_BYTES = 2 * 1024**3
UPLOAD_PIXELS = 80_000_000  # decoded: 240 MB
UPLOAD_SIDE = 16_000
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FILES = UPLOAD_PHOTOS

LANGUAGE_CODE = "en-us"
LANGUAGES = [("en", "English"), ("fr", "Français")]
USE_TZ = True
TIME_ZONE = "UTC"
LOCALE_PATHS = [BASE_DIR / "webapp" / "locale"]

LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]


def _page(title: str, icon: str, name: str, needed: str) -> dict[str, Any]:
    """A line of the admin's sidebar, for whoever has the permission it needs."""
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{name}"),
        "permission": lambda request: request.user.has_perm(needed),
    }


def _group(title: str, *pages: dict[str, Any]) -> dict[str, Any]:
    return {"title": title, "separator": True, "items": list(pages)}


UNFOLD = {
    "SITE_TITLE": "Shapelens",
    "SITE_HEADER": "Shapelens",
    "SITE_SUBHEADER": "Catalog, index and searches",
    "SITE_URL": "/",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": True,
    "SIDEBAR": {
        "show_search": True,
        "navigation": [
            _group(
                "Catalog",
                _page("Products", "chair", "catalog_product_changelist", "catalog.view_product"),
                _page("Catalogs", "folder_open", "catalog_catalog_changelist", "catalog.view_catalog"),
                _page("Models", "deployed_code", "catalog_asset_changelist", "catalog.view_asset"),
                _page("Imports", "upload_file", "catalog_importrun_changelist", "catalog.view_importrun"),
                _page("Prices and stock", "sell", "catalog_feed_changelist", "catalog.view_feed"),
                _page(
                    "Index", "database", "catalog_indexgeneration_changelist", "catalog.view_indexgeneration"
                ),
            ),
            _group(
                "Searches",
                _page("Searches", "image_search", "catalog_search_changelist", "catalog.view_search"),
                _page("Call-backs", "webhook", "catalog_callback_changelist", "catalog.view_callback"),
                _page("Feedback", "thumb_up", "catalog_feedback_changelist", "catalog.view_feedback"),
                _page("Photos", "photo_camera", "catalog_photo_changelist", "catalog.view_photo"),
            ),
            _group(
                "Quality",
                _page("Review searches", "fact_check", "catalog_verdict_review", "catalog.add_verdict"),
                _page("Plots", "monitoring", "catalog_verdict_quality", "catalog.view_verdict"),
                _page("Verdicts", "thumbs_up_down", "catalog_verdict_changelist", "catalog.view_verdict"),
                _page(
                    "Compare indexes", "compare", "catalog_comparison_changelist", "catalog.view_comparison"
                ),
                _page("Cut-off", "tune", "catalog_cutoff_tune", "catalog.view_cutoff"),
            ),
            _group(
                "Operation",
                _page("Failed work", "report", "catalog_deadletter_changelist", "catalog.view_deadletter"),
                _page(
                    "Workers", "memory", "catalog_workerheartbeat_changelist", "catalog.view_workerheartbeat"
                ),
                _page("Disk", "hard_drive", "catalog_indexgeneration_disk", "catalog.view_indexgeneration"),
                _page("API tokens", "key", "catalog_apitoken_changelist", "catalog.view_apitoken"),
            ),
            _group(
                "People",
                _page("Users", "person", "auth_user_changelist", "auth.view_user"),
                _page("Groups", "group", "auth_group_changelist", "auth.view_group"),
                _page("Changes", "history", "auditlog_logentry_changelist", "auditlog.view_logentry"),
            ),
        ],
    },
}

# ---- logs: each line with the id of the request that led to it, from the web to the worker ----------------

DJANGO_GUID = {
    "GUID_HEADER_NAME": "X-Request-ID",
    "VALIDATE_GUID": True,  # a stranger's header is only taken where it is a UUID
    "RETURN_HEADER": True,
    "INTEGRATIONS": [CeleryIntegration()],
}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "request": {"()": "django_guid.log_filters.CorrelationId", "correlation_id_field": "request"}
    },
    "formatters": {
        "line": {"format": "{asctime} {levelname} {name} [{request}]: {message}", "style": "{"},
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "format": "{asctime}{levelname}{name}{process}{request}{message}",
            "style": "{",
            "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
        },
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": ENV.log_format, "filters": ["request"]}
    },
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "catalog": {"level": "INFO"},
        "ml": {"level": "INFO"},
        "webapp": {"level": "INFO"},
        "celery": {"level": "WARNING"},
        "django.server": {"level": "INFO"},
        "django_guid": {"level": "WARNING"},
    },
}
