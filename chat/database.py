"""The one way in which coroutines reach the database.

A query must not run on the event loop, and Channels' default runs all queries of a process on one thread: forty calls
of 0.1 s took 4.2 s. ``in_database`` runs each step on a bounded pool of the app's own threads, where Django drops
connections that broke.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar, cast

from channels.db import database_sync_to_async

from .conf import conf

P = ParamSpec("P")
T = TypeVar("T")

_pool: ThreadPoolExecutor | None = None


async def in_database(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a database step on one of ``CHAT["DATABASE_THREADS"]`` threads.

    A caller that is cancelled leaves the step running to its end: a transaction is whole or not there.
    """
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(conf.database_threads, thread_name_prefix="chat-database")
    step = database_sync_to_async(function, thread_sensitive=False, executor=_pool)
    return cast(T, await step(*args, **kwargs))


def close_pool() -> None:
    """End the pool's threads when their steps are done; the next step makes a new pool."""
    global _pool
    pool, _pool = _pool, None
    if pool is not None:
        pool.shutdown()
