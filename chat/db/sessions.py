"""Tells which sessions are still there, as far as the site's session engine can tell."""

from collections.abc import Collection
from typing import Any

from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.backends.cache import SessionStore as CacheStore
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.backends.file import SessionStore as FileStore
from django.db import models, router
from django.utils import timezone

from ..conf import conf

PROBE = "llm_chat.probe"
"""A key of the cache that holds sessions. If it is missing, the cache is unreachable or was emptied a moment ago."""


def rows(keys: Collection[str]) -> "models.QuerySet[Any] | None":
    """Return the rows of those sessions that have not expired; ``None`` if the engine has no table of Django's kind.

    Subclasses of the engine ``db``, such as ``cached_db``, have one.
    """
    store = conf.session_store
    if not issubclass(store, DatabaseStore):
        return None
    model: type[models.Model] = store.get_model_class()
    there = model._default_manager.using(router.db_for_write(model))
    return there.filter(session_key__in=keys, expire_date__gt=timezone.now())


def present(keys: Collection[str]) -> set[str]:
    """Return those of the sessions that are still there, if the engine has no table.

    All of them are, if the engine cannot tell. Raises whatever the cache raises.
    """
    store = conf.session_store
    if issubclass(store, CacheStore):
        return _cached(store(), keys)
    if issubclass(store, FileStore):
        return {key for key in keys if store().exists(key)}
    return set(keys)


def _cached(store: SessionBase, keys: Collection[str]) -> set[str]:
    """Ask the cache for all sessions at once. Those that an outage hides have not ended."""
    cache, prefix = store._cache, store.cache_key_prefix  # type: ignore[attr-defined]
    found = cache.get_many([*(prefix + key for key in keys), PROBE])
    if PROBE not in found:
        cache.set(PROBE, True, None)
        return set(keys)
    return {key for key in keys if prefix + key in found}
