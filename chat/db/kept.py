"""Keeps a thread's database connection between two steps, and finds out whether it still works."""

import os
import select
import sys
import threading
import time
from types import TracebackType
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from ..forking import after_fork

IDLE = 1.0
"""A connection that was unused for longer than this, in seconds, is tested by a query before it is used again."""


class _Thread(threading.local):
    """What a thread knows about its connection: the driver's object, its file, when to close it, and its last use."""

    raw: Any = None
    file: tuple[int, int] | None = None
    expires = 0.0
    used = 0.0


_thread = _Thread()
_lock = threading.Lock()
_wrappers: set[BaseDatabaseWrapper] = set()
"""The connections that threads keep. They have to be closed by another thread once those threads have ended."""


class Kept:
    """A context in which one step uses this thread's connection.

    Before the step, a connection that is too old or no longer works is closed, so that Django opens another. After it,
    the connection stays open, unless the step broke it or a pool of the driver's is waiting for it.

    Args:
        alias: the database of the app. Connections to other databases are treated as Django does after a request.
        max_age: how long a connection is kept, in seconds. ``CONN_MAX_AGE`` counts where it is longer.
    """

    def __init__(self, alias: str, max_age: float) -> None:
        self._connection = connections[alias]
        self._max_age = max_age

    def __enter__(self) -> None:
        if self._connection.connection is not None and self._is_over:
            self._connection.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        connection = self._connection
        for other in connections.all(initialized_only=True):
            if other is not connection:
                other.close_if_unusable_or_obsolete()
        if connection.errors_occurred or connection.settings_dict["OPTIONS"].get("pool"):
            connection.close()
        raw, now = connection.connection, time.monotonic()
        if raw is not _thread.raw:
            _thread.raw, _thread.file = raw, _file(connection)
            _thread.expires = now + _age(connection, self._max_age)
            with _lock:
                _wrappers.add(connection)
        if raw is not None and now >= _thread.expires:
            connection.close()
            _thread.raw = None
        _thread.used = now

    @property
    def _is_over(self) -> bool:
        """Tell whether the thread's connection is not the one that was kept, has reached its age or does not work."""
        connection, now = self._connection, time.monotonic()
        if connection.connection is not _thread.raw or now >= _thread.expires:
            return True
        if connection.get_autocommit() != connection.settings_dict["AUTOCOMMIT"] or _thread.file != _file(connection):
            return True
        return (now - _thread.used > IDLE or _has_input(connection.connection)) and not connection.is_usable()


def close_kept() -> None:
    """Close the connections of threads that have ended."""
    with _lock:
        ended = list(_wrappers)
        _wrappers.clear()
    for connection in ended:
        connection.inc_thread_sharing()
        try:
            connection.close()
        finally:
            connection.dec_thread_sharing()


def _forget_kept() -> set[BaseDatabaseWrapper]:
    global _lock, _wrappers
    _lock = threading.Lock()
    found, _wrappers = _wrappers, set()
    return found


def _forget_pools() -> Any:
    """Leave the pools of Django's PostgreSQL backend to the parent: the sockets in them are the parent's sessions."""
    postgresql = sys.modules.get("django.db.backends.postgresql.base")
    if postgresql is None:
        return None
    found = postgresql.DatabaseWrapper._connection_pools
    postgresql.DatabaseWrapper._connection_pools = {}
    return found


after_fork(_forget_kept)
after_fork(_forget_pools)


def _age(connection: BaseDatabaseWrapper, least: float) -> float:
    """Return how long to keep a new connection, in seconds."""
    django: float | None = connection.settings_dict["CONN_MAX_AGE"]
    return float("inf") if django is None else max(django, least)


def _file(connection: BaseDatabaseWrapper) -> tuple[int, int] | None:
    """Return what identifies the file of an SQLite database: one that was replaced would be written unnoticed."""
    if connection.vendor != "sqlite":
        return None
    try:
        found = os.stat(connection.settings_dict["NAME"])
    except (OSError, TypeError, ValueError):  # it is gone, or in memory
        return None
    return found.st_dev, found.st_ino


def _has_input(raw: Any) -> bool:
    """Tell whether the server has sent something to a connection that waits for nothing: usually that it is closed."""
    if not hasattr(raw, "fileno") or not hasattr(select, "poll"):
        return False  # SQLite has no server; Windows has no poll()
    poll = select.poll()
    try:
        poll.register(raw.fileno(), select.POLLIN)
    except Exception:  # whatever the driver raises if its connection is closed
        return True
    return bool(poll.poll(0))
