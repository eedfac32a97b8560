"""The only reader of the environment. Every name it knows, with its default, is here."""

from __future__ import annotations

import os
import re
import secrets
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

__all__ = ["Env", "Media", "read"]

_SHORTEST_SECRET = 32
_TRUSTED_EVERYONE = "*"
_RATE = re.compile(r"[1-9]\d*/(s|sec|m|min|h|hour|d|day)")
_LOG_FORMATS = ("line", "json")
_INDEXES = ("exact", "lists", "milvus")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[\w.-]+(/[\w.-]+)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Media:
    """Where photos, models and indexes are kept. prefix: before every key, without a slash at its end, or '';
    endpoint: '' is Amazon's; region: '' is what AWS_DEFAULT_REGION or the machine says."""

    bucket: str
    prefix: str = ""
    endpoint: str = ""
    region: str = ""

    def __str__(self) -> str:
        return f"s3://{self.bucket}" + (f"/{self.prefix}" if self.prefix else "")


@dataclass(frozen=True, slots=True)
class Env:
    """What the environment says.

    production      SHAPELENS_ENV=production: insecure values are refused, cookies need HTTPS
    debug           SHAPELENS_DEBUG: Django's error pages; refused in production
    data            SHAPELENS_DATA: database, photos, models, index; default <repository>/var
    hosts           SHAPELENS_HOSTS: names this server answers to, separated by commas
    origins         SHAPELENS_ORIGINS: https://… origins whose forms are trusted behind a proxy
    secret_key      SECRET_KEY; made once under `data` where it is not given
    database_url    DATABASE_URL; SQLite under `data` where it is not given
    broker_url      CELERY_BROKER_URL; files under `data` where it is not given
    embedder        SHAPELENS_EMBEDDER; '' chooses viewnet_lite if its weights are there, else hog
    views           SHAPELENS_VIEWS: azimuths x elevations rendered of a model, e.g. 36x3
    lease_seconds   SHAPELENS_LEASE_SECONDS: a search whose worker is silent that long is taken over
    sweep_seconds   SHAPELENS_SWEEP_SECONDS: how often abandoned work is looked for
    job_workers     SHAPELENS_JOB_WORKERS: children that read and render models side by side
    embed_mib       SHAPELENS_EMBED_MIB: MiB that embedding rendered views may take in a worker, beside the
                    process itself; 0 = as much as is quickest
    callback_hosts  SHAPELENS_CALLBACK_HOSTS: hosts that may be told of ended searches; none by default
    index           SHAPELENS_INDEX: exact, lists or milvus: what new indexes are built with, and searched by where
                    they have it (docs/operations.md)
    milvus_url      SHAPELENS_MILVUS_URL, e.g. http://user:password@host:19530/database; for SHAPELENS_INDEX=milvus
    photo_days      SHAPELENS_PHOTO_DAYS: days a photo and its search are kept; 0 = for ever
    disk_mib        SHAPELENS_DISK_MIB: MiB that the data folder may take; over it, what is needed least goes first
                    (docs/operations.md); 0 = no limit
    cache_url       SHAPELENS_CACHE_URL, e.g. redis://host/1: where requests are counted, shared by all web
                    machines; files under `data` where it is not given
    media           SHAPELENS_MEDIA_URL, s3://bucket/prefix?endpoint=https://host&region=name: keeps photos, models and
                    indexes, and SHAPELENS_DATA is a cache of it; '' keeps them under `data` alone. Credentials are read
                    by boto3: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the machine's role
    proxies         SHAPELENS_PROXIES: proxies of ours in front that each add an X-Forwarded-For; 0 = none
    queue_limit     SHAPELENS_QUEUE_LIMIT: searches that may wait for each search worker; beyond it new ones are told to
                    come back
    search_rate     SHAPELENS_SEARCH_RATE: searches an address may send, e.g. 60/min; '' = any
                    number, as it is outside production
    login_rate      SHAPELENS_LOGIN_RATE: passwords an address may try, e.g. 10/min; '' = any number
    metrics_token   SHAPELENS_METRICS_TOKEN: who sends it as bearer may read /metrics; without it only
                    processes of this machine may
    log_format      SHAPELENS_LOG_FORMAT: line or json; json in production
    """

    production: bool
    debug: bool
    data: Path
    hosts: tuple[str, ...]
    origins: tuple[str, ...]
    secret_key: str
    database_url: str
    broker_url: str
    embedder: str
    views: str
    lease_seconds: float
    sweep_seconds: float
    job_workers: int
    embed_mib: int
    index: str
    milvus_url: str
    photo_days: int
    disk_mib: int
    callback_hosts: tuple[str, ...]
    cache_url: str
    media: Media | None
    proxies: int
    queue_limit: int
    search_rate: str
    login_rate: str
    metrics_token: str
    log_format: str


def read(base: Path) -> Env:
    """The environment, checked. base: the repository root. Raises ImproperlyConfigured."""
    env = environ.Env()
    data = Path(env.str("SHAPELENS_DATA", default=str(base / "var"))).expanduser().resolve()
    data.mkdir(parents=True, exist_ok=True)
    is_production = env.str("SHAPELENS_ENV", default="local") == "production"
    given_key = env.str("SECRET_KEY", default="")
    values = Env(
        production=is_production,
        debug=env.bool("SHAPELENS_DEBUG", default=False),
        data=data,
        hosts=tuple(env.list("SHAPELENS_HOSTS", default=[] if is_production else _local_hosts())),
        origins=tuple(env.list("SHAPELENS_ORIGINS", default=[])),
        secret_key=given_key or ("" if is_production else _local_secret(data)),
        database_url=env.str("DATABASE_URL", default=""),
        broker_url=env.str("CELERY_BROKER_URL", default=""),
        embedder=env.str("SHAPELENS_EMBEDDER", default=""),
        views=env.str("SHAPELENS_VIEWS", default="36x3"),
        lease_seconds=env.float("SHAPELENS_LEASE_SECONDS", default=20.0),
        sweep_seconds=env.float("SHAPELENS_SWEEP_SECONDS", default=5.0),
        job_workers=env.int("SHAPELENS_JOB_WORKERS", default=max(1, min(8, os.cpu_count() or 1))),
        embed_mib=env.int("SHAPELENS_EMBED_MIB", default=0),
        index=env.str("SHAPELENS_INDEX", default="exact"),
        milvus_url=env.str("SHAPELENS_MILVUS_URL", default=""),
        photo_days=env.int("SHAPELENS_PHOTO_DAYS", default=0),
        disk_mib=env.int("SHAPELENS_DISK_MIB", default=0),
        callback_hosts=tuple(name.casefold() for name in env.list("SHAPELENS_CALLBACK_HOSTS", default=[])),
        cache_url=env.str("SHAPELENS_CACHE_URL", default=""),
        media=_media(env.str("SHAPELENS_MEDIA_URL", default="")),
        proxies=env.int("SHAPELENS_PROXIES", default=1 if is_production else 0),
        queue_limit=env.int("SHAPELENS_QUEUE_LIMIT", default=40),
        search_rate=_rate(
            env.str("SHAPELENS_SEARCH_RATE", default="60/min" if is_production else ""),
            "SHAPELENS_SEARCH_RATE",
        ),
        login_rate=_rate(env.str("SHAPELENS_LOGIN_RATE", default="10/min"), "SHAPELENS_LOGIN_RATE"),
        metrics_token=env.str("SHAPELENS_METRICS_TOKEN", default=""),
        log_format=env.str("SHAPELENS_LOG_FORMAT", default="json" if is_production else "line"),
    )
    if values.log_format not in _LOG_FORMATS:
        raise ImproperlyConfigured(f"SHAPELENS_LOG_FORMAT={values.log_format!r}; it is line or json")
    if values.index not in _INDEXES:
        raise ImproperlyConfigured(f"SHAPELENS_INDEX={values.index!r}; it is one of {', '.join(_INDEXES)}")
    if values.index == "milvus" and not values.milvus_url:
        raise ImproperlyConfigured(
            "SHAPELENS_INDEX=milvus needs SHAPELENS_MILVUS_URL, e.g. http://host:19530, "
            "and its client: pip install shapelens[milvus]"
        )
    if is_production:
        _refuse_insecure(values)
    return values


def _rate(text: str, name: str) -> str:
    if text and not _RATE.fullmatch(text):
        raise ImproperlyConfigured(f"{name}={text!r}; write a number and a time, e.g. 60/min, or nothing")
    return text


def _media(url: str) -> Media | None:
    if not url:
        return None
    parts, said = urlsplit(url), parse_qs(urlsplit(url).query)
    prefix, endpoint = parts.path.strip("/"), said.pop("endpoint", [""])[-1]
    region = said.pop("region", [""])[-1]
    problem = ""
    if parts.scheme != "s3" or not _BUCKET.fullmatch(parts.netloc.rpartition("@")[2]):
        problem = (
            "write s3://bucket/prefix?endpoint=https://host&region=name; all but the bucket may be left out"
        )
    elif "@" in parts.netloc:
        problem = "keys don't belong in it; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    elif prefix and not _PREFIX.fullmatch(prefix):
        problem = f"the prefix {prefix!r} may have letters, digits, . _ - and / in it"
    elif said or parts.fragment:
        problem = f"after the ? only endpoint and region are known, not {', '.join(said) or parts.fragment}"
    elif endpoint and not endpoint.startswith(("http://", "https://")):
        problem = f"the endpoint {endpoint!r} must begin with https:// or http://"
    elif find_spec("boto3") is None:
        problem = "boto3 is not installed; pip install 'shapelens[s3]'"
    if problem:
        shown = f"s3://…@{parts.netloc.rpartition('@')[2]}" if "@" in parts.netloc else url
        raise ImproperlyConfigured(f"SHAPELENS_MEDIA_URL={shown!r}: {problem}")
    return Media(parts.netloc, prefix, endpoint, region)


def _local_hosts() -> list[str]:
    return ["localhost", "127.0.0.1", "[::1]"]


def _local_secret(data: Path) -> str:
    """A key of this installation's own, made once, readable by its owner only."""
    path = data / "secret_key"
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read_when_written(path)
    key = secrets.token_urlsafe(50)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(key)
    return key


def _read_when_written(path: Path) -> str:
    """The key another process made; it writes right after creating the file."""
    for _ in range(1000):
        key = path.read_text(encoding="ascii")
        if len(key) >= _SHORTEST_SECRET:
            return key
    raise ImproperlyConfigured(f"{path} holds no usable key; delete it and start again")


def _refuse_insecure(env: Env) -> None:
    problems = []
    if env.debug:
        problems.append("SHAPELENS_DEBUG must be off")
    if len(env.secret_key) < _SHORTEST_SECRET:
        problems.append(f"SECRET_KEY must be set, with at least {_SHORTEST_SECRET} characters")
    if not env.hosts or _TRUSTED_EVERYONE in env.hosts:
        problems.append("SHAPELENS_HOSTS must name the hosts served, without '*'")
    if not env.database_url:
        problems.append("DATABASE_URL must be set, e.g. postgres://user:password@host/name")
    if not env.broker_url:
        problems.append("CELERY_BROKER_URL must be set, e.g. redis://host/0 or amqps://user:password@host/")
    if plain := [origin for origin in env.origins if not origin.startswith("https://")]:
        problems.append(f"SHAPELENS_ORIGINS must begin with https://, unlike {', '.join(plain)}")
    if env.metrics_token and len(env.metrics_token) < _SHORTEST_SECRET:
        problems.append(f"SHAPELENS_METRICS_TOKEN must have at least {_SHORTEST_SECRET} characters")
    if problems:
        raise ImproperlyConfigured("SHAPELENS_ENV=production refuses to start: " + "; ".join(problems))
