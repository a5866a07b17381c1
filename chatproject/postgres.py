"""PostgreSQL through a pool of connections, with an end to every wait."""

from typing import Any

import psycopg
from django.core.exceptions import ImproperlyConfigured
from psycopg.rows import TupleRow

POOL = {
    # For one process: the eight threads of CHAT["DATABASE_THREADS"] and as many requests that Django answers meanwhile.
    "min_size": 2,
    "max_size": 16,
    # How long a request waits for a connection, be the server gone or have none left.
    "timeout": 5.0,
    # Attempts to connect begin anew after this time; they would come ever later, minutes apart in a long outage.
    "reconnect_timeout": 5.0,
}
DEADLINES = {
    # A process that is frozen in the middle of a transaction does not hold up all others.
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "30s",
}
CONNECTION = {
    "connect_timeout": 3,
    # A machine that vanished without a word is given up after this time (TCP only).
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "options": " ".join(f"-c {name}={value}" for name, value in DEADLINES.items()),
}


class PooledConnection(psycopg.Connection[TupleRow]):
    """A connection that takes the others of its pool along when it turns out to be broken.

    The pool tests a connection, by executing nothing, before it lends it out, and after a failed test it waits before
    the next one: 1 s, 2 s, 4 s. After a restart of the server, with twelve broken connections in the pool, three
    requests had failed after 5 s each before one got through. With all replaced at once, the first one takes 7 ms.
    """

    def execute(self, *args: Any, **kwargs: Any) -> psycopg.Cursor[TupleRow]:
        try:
            return super().execute(*args, **kwargs)
        except psycopg.OperationalError:
            if self.broken and (pool := getattr(self, "_pool", None)):
                pool.drain()
            raise


def pooled(name: str, entry: dict[str, Any]) -> dict[str, Any]:
    """A ``DATABASES`` entry with the pool and the deadlines, where the URL's own options do not say otherwise.

    ``pool=false`` leaves the pool to another program, such as pgbouncer, which takes no options of a connection: then
    each transaction sets its deadlines. ``pool_max_size`` and its like change the pool.
    """
    given = entry.get("OPTIONS", {})
    own = {key.removeprefix("pool_"): value for key, value in given.items() if key.startswith("pool_")}
    options = {key: value for key, value in given.items() if not key.startswith("pool_")}
    pool = {**POOL, "connection_class": PooledConnection, **own}
    if unknown := own.keys() - POOL.keys():
        raise ImproperlyConfigured(f"{name} has the option pool_{min(unknown)}; known are pool_{', pool_'.join(POOL)}.")
    if not 0 <= pool["min_size"] <= pool["max_size"] or not pool["max_size"]:
        raise ImproperlyConfigured(
            f"{name} must have a pool_max_size from pool_min_size on, "
            f"got {pool['max_size']} with a pool_min_size of {pool['min_size']}."
        )
    if options.get("pool") is True:
        del options["pool"]
    whole = {**entry, "CONN_HEALTH_CHECKS": True, "OPTIONS": {**CONNECTION, "pool": pool, **options}}
    return whole if whole["OPTIONS"]["pool"] else _pooled_elsewhere(whole, keep_options="options" in given)


def _pooled_elsewhere(entry: dict[str, Any], *, keep_options: bool) -> dict[str, Any]:
    """Return an entry whose deadlines hold though each transaction may have another connection to the server."""
    entry["DISABLE_SERVER_SIDE_CURSORS"] = True
    if not keep_options:
        del entry["OPTIONS"]["options"]
        entry["ENGINE"] = "chatproject.pgbouncer"
    return entry
