"""PostgreSQL through a pool of connections, with a deadline for every wait."""

from typing import Any

import psycopg
from django.core.exceptions import ImproperlyConfigured
from psycopg.rows import TupleRow

POOL = {
    # For one process: the eight threads of CHAT["DATABASE_THREADS"], and as many requests to Django at the same time.
    "min_size": 2,
    "max_size": 16,
    # How long a request waits for a connection, whether the server is down or has none left.
    "timeout": 5.0,
    # Attempts to connect start over after this time; otherwise they would back off to minutes in a long outage.
    "reconnect_timeout": 5.0,
}
DEADLINES = {
    # A process that is suspended in the middle of a transaction does not block all others.
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "30s",
}
CONNECTION = {
    "connect_timeout": 3,
    # A machine that has vanished without closing is given up after this time (TCP only).
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "options": " ".join(f"-c {name}={value}" for name, value in DEADLINES.items()),
}


class PooledConnection(psycopg.Connection[TupleRow]):
    """A connection that discards all others of its pool when it turns out to be broken.

    The pool tests a connection before lending it, by executing nothing, and after a failed test it waits before the
    next one: 1 s, 2 s, 4 s. After a restart of the server, with twelve broken connections in the pool, three requests
    failed after 5 s each before one succeeded. With all connections replaced at once, the first request takes 7 ms.
    """

    def execute(self, *args: Any, **kwargs: Any) -> psycopg.Cursor[TupleRow]:
        try:
            return super().execute(*args, **kwargs)
        except psycopg.OperationalError:
            if self.broken and (pool := getattr(self, "_pool", None)):
                pool.drain()
            raise


def pooled(name: str, entry: dict[str, Any]) -> dict[str, Any]:
    """Return a ``DATABASES`` entry with the pool and the deadlines, unless the URL's own options override them.

    ``pool=false`` leaves pooling to another program, such as pgbouncer, which accepts no connection options: then each
    transaction sets its deadlines. ``pool_max_size`` and similar options change the pool.
    """
    given = entry.get("OPTIONS", {})
    own = {key.removeprefix("pool_"): value for key, value in given.items() if key.startswith("pool_")}
    options = {key: value for key, value in given.items() if not key.startswith("pool_")}
    pool = {**POOL, "connection_class": PooledConnection, **own}
    if unknown := own.keys() - POOL.keys():
        raise ImproperlyConfigured(f"{name} has the option pool_{min(unknown)}; known are pool_{', pool_'.join(POOL)}.")
    if not 0 <= pool["min_size"] <= pool["max_size"] or not pool["max_size"]:
        raise ImproperlyConfigured(
            f"{name} must have a pool_max_size of at least pool_min_size, "
            f"got {pool['max_size']} with a pool_min_size of {pool['min_size']}."
        )
    if options.get("pool") is True:
        del options["pool"]
    whole = {**entry, "CONN_HEALTH_CHECKS": True, "OPTIONS": {**CONNECTION, "pool": pool, **options}}
    return whole if whole["OPTIONS"]["pool"] else _pooled_elsewhere(whole, keep_options="options" in given)


def _pooled_elsewhere(entry: dict[str, Any], *, keep_options: bool) -> dict[str, Any]:
    """Return an entry whose deadlines work even if each transaction gets another connection to the server."""
    entry["DISABLE_SERVER_SIDE_CURSORS"] = True
    if not keep_options:
        del entry["OPTIONS"]["options"]
        entry["ENGINE"] = "chatproject.pgbouncer"
    return entry
