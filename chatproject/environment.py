"""Reads what the environment says about this site, once, for ``settings.py``.

An empty variable counts as unset, because Docker Compose passes variables that its user left out as empty ones. A wrong
value is refused with a sentence that names the variable, and never shows a value that may contain a password.
"""

import contextlib
import ipaddress
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key
from environs import Env, EnvError

from .sqlite import PrivateFile, take_from_others

OPENAI_DEFAULT_MODEL = "gpt-5-mini"
REDIS_SCHEMES = ("redis", "rediss", "unix")

env = Env()


def text(name: str, default: str = "") -> str:
    return env.str(name, "").strip() or default


def flag(name: str) -> bool:
    """Return a switch, which is off unless the variable turns it on."""
    try:
        return env.bool(name) if text(name) else False
    except EnvError:
        raise ImproperlyConfigured(f'{name} must be "true" or "false", got "{text(name)}".') from None


def number(name: str, default: int) -> int:
    """Return a non-negative integer."""
    given = text(name)
    if given and not given.isdecimal():
        raise ImproperlyConfigured(f'{name} must be a non-negative integer, got "{given}".')
    return int(given) if given else default


def words(name: str, default: Sequence[str] = ()) -> list[str]:
    """Return a comma-separated list, without blanks."""
    parts: list[str] = env.list(name, [])
    return [part.strip() for part in parts if part.strip()] or list(default)


def trusted_origins(name: str) -> list[str]:
    """Return origins in Django's form, each with its scheme: without one they would silently match nothing."""
    origins = words(name)
    for origin in origins:
        if not origin.startswith(("http://", "https://")):
            raise ImproperlyConfigured(f'{name} must list origins such as "https://chat.example.com", got "{origin}".')
    return origins


def is_loopback(host: str) -> bool:
    """Return whether an entry of ``ALLOWED_HOSTS`` can only ever name this machine."""
    name = host.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def secret_key(name: str, kept_in: Path, allowed_hosts: Sequence[str]) -> str:
    """Return the key that signs the sessions.

    If it is not set, and only this machine can reach the site, it is generated once and saved.
    """
    if given := text(name):
        return given
    public = [host for host in allowed_hosts if not is_loopback(host)]
    if public:
        raise ImproperlyConfigured(
            f"{name} must be set where ALLOWED_HOSTS names a public host ({', '.join(public)}): "
            "any long random text that is kept secret and stays the same."
        )
    try:
        return _kept(kept_in)
    except OSError as error:
        raise ImproperlyConfigured(
            f"{name} is not set and could not be saved in {kept_in} ({error.strerror}): "
            "set it to any long random text, or make that folder writable."
        ) from error


def _kept(path: Path) -> str:
    """Return the saved key. The first process that gets here writes it, all others read it.

    The key is complete before it gets its name, and a link never replaces a file: no process can read half a key, or
    replace one that another process already uses.
    """
    if not path.exists():
        descriptor, draft = tempfile.mkstemp(prefix=path.name, dir=path.parent)  # only its owner can read it
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(get_random_secret_key())
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
        finally:
            os.unlink(draft)
    return path.read_text().strip()


def database(name: str, default_file: Path) -> dict[str, Any]:
    """Return the ``DATABASES`` entry of a URL, or that of a development site's SQLite file if none is set."""
    url = text(name, f"sqlite:///{default_file}")
    try:
        entry: dict[str, Any] = {**dj_database_url.parse(url)}
    except ValueError:
        raise ImproperlyConfigured(
            f'{name} must be a URL such as "postgres://user:password@host/name" or "sqlite:////data/db.sqlite3", '
            f'got one with the scheme "{url.partition(":")[0][:20]}".'
        ) from None
    if entry["ENGINE"] == "django.db.backends.sqlite3":
        # Readers do not wait for a writer, and a writer takes its turn at the start of its transaction. Otherwise
        # SQLite would refuse at once, without the timeout, to turn a reading transaction into a writing one.
        if not text(name):
            take_from_others(default_file)
        entry["OPTIONS"] = {
            "factory": PrivateFile,
            "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;",
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            **entry.get("OPTIONS", {}),
        }
    elif entry["ENGINE"] == "django.db.backends.postgresql":
        from .postgres import pooled  # needs psycopg, which a site on SQLite may not have

        entry = pooled(name, entry)
    return entry


def redis_url(name: str) -> str:
    """Return the URL through which processes share their streams; empty if there is one process."""
    url = text(name)
    if url and (scheme := urlsplit(url).scheme) not in REDIS_SCHEMES:
        raise ImproperlyConfigured(
            f'{name} must be a URL such as "redis://localhost:6379/0", got one with the scheme "{scheme}".'
        )
    return url


def channel_layers(name: str) -> dict[str, Any]:
    """Return a layer on Redis if there is one. Without it the chat runs in one process and needs no layer."""
    url = redis_url(name)
    if not url:
        return {}
    return {
        "default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [url]}},
    }


def model_backend() -> dict[str, Any]:
    """Return the chat's backend: an OpenAI-compatible endpoint if one is named, otherwise the bundled model."""
    key, url, model = text("OPENAI_API_KEY"), text("OPENAI_BASE_URL"), text("OPENAI_MODEL")
    if not key and not url:
        if model:
            raise ImproperlyConfigured(
                f'OPENAI_MODEL is "{model}", but neither OPENAI_API_KEY nor OPENAI_BASE_URL says where that model is.'
            )
        return {"BACKEND": "chat.backends.local.LocalBackend", "OPTIONS": {}}
    if url and not model:
        raise ImproperlyConfigured(
            f'OPENAI_MODEL must name a model of the endpoint at OPENAI_BASE_URL ("{_without_password(url)}").'
        )
    options: dict[str, Any] = {"model": model or OPENAI_DEFAULT_MODEL, "api_key": key or "none"}
    if url:
        options["base_url"] = _http_url("OPENAI_BASE_URL", url)
    return {"BACKEND": "chat.backends.openai.OpenAIBackend", "OPTIONS": options}


def _http_url(name: str, url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ImproperlyConfigured(f'{name} must begin with "http://" or "https://", got "{_without_password(url)}".')
    return url


def _without_password(url: str) -> str:
    return url.rpartition("@")[2]
