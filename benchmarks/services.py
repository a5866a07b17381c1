"""Redis and PostgreSQL, as the tests start them, on the core of the upstream and the clients."""

import contextlib
from collections.abc import Iterator

from tests.faults.services import postgres_server, redis_server

from .harness import on_core


@contextlib.contextmanager
def redis(core: int | None) -> Iterator[str]:
    """Run a Redis, and yield its URL."""
    with on_core(core), redis_server() as server:
        yield server.url


@contextlib.contextmanager
def postgres(core: int | None) -> Iterator[str]:
    """Run a PostgreSQL, and yield the URL of an empty database. Raises ``ImportError`` if it is not installed."""
    with on_core(core), postgres_server() as server:
        yield server.url()
