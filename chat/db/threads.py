"""The one way in which coroutines reach the database, and the one place that knows which database that is.

A query must not run on the event loop, and Channels' default runs all queries of a process on one thread: forty calls
of 0.1 s took 4.2 s. ``in_database`` runs each step on a bounded pool of the app's own threads, where Django drops
connections that broke.

A site's router may keep the app's tables in another database than ``default``. Transactions, cursors and commit hooks
therefore come from here; ``tests/db/test_threads.py`` checks that no other module of the app opens its own.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from channels.db import database_sync_to_async
from django.db import IntegrityError, OperationalError, connections, router, transaction

from ..conf import conf
from ..models import Conversation

P = ParamSpec("P")
T = TypeVar("T")
View = TypeVar("View", bound=Callable[..., Any])

_pool: ThreadPoolExecutor | None = None


async def in_database(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a database step on one of ``CHAT["DATABASE_THREADS"]`` threads.

    A caller that is cancelled leaves the step running to its end: a transaction is whole or not there. Raises
    ``django.db.OperationalError`` where no thread was free for ``CHAT["DATABASE_WAIT"]``: in an outage of the database,
    when each step waits for its own deadline, no queue grows behind them.
    """
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(conf.database_threads, thread_name_prefix="chat-database")
    latest = time.monotonic() + conf.database_wait

    def in_time() -> T:
        if time.monotonic() > latest:
            raise OperationalError(f"No thread was free for {function.__name__} in {conf.database_wait:g} s.")
        return function(*args, **kwargs)

    step = database_sync_to_async(in_time, thread_sensitive=False, executor=_pool)
    return cast(T, await step())


def database() -> str:
    """Return the alias of the database in which the site keeps the app's tables."""
    return router.db_for_write(Conversation)


def atomic(step: Callable[P, T]) -> Callable[P, T]:
    """Run a step in one transaction of the app's database."""

    @wraps(step)
    def in_transaction(*args: P.args, **kwargs: P.kwargs) -> T:
        with transaction.atomic(using=database()):
            return step(*args, **kwargs)

    return in_transaction


def atomic_with_retry(step: Callable[P, T]) -> Callable[P, T]:
    """Run a step in one transaction, and once more after ``IntegrityError``.

    A concurrent copy of the same request took a unique key first, so the second time it is found.
    """

    @wraps(step)
    def in_transaction(*args: P.args, **kwargs: P.kwargs) -> T:
        alias = database()
        try:
            with transaction.atomic(using=alias):
                return step(*args, **kwargs)
        except IntegrityError:
            with transaction.atomic(using=alias):
                return step(*args, **kwargs)

    return in_transaction


def on_commit(action: Callable[[], None], using: str | None = None) -> None:
    """Call ``action`` once the current transaction of the app's database, or of ``using``, is committed."""
    transaction.on_commit(action, using=using or database())


def ping() -> None:
    """Ask the app's database for an answer. Raises ``django.db.Error``."""
    with connections[database()].cursor() as cursor:
        cursor.execute("SELECT 1")


def vendor(alias: str) -> str:
    """Return what kind of database an alias is: ``"postgresql"``, ``"sqlite"``, ..."""
    return connections[alias].vendor


def add_function(alias: str, name: str, function: Callable[[str, str], bool]) -> None:
    """Give this thread's connection to SQLite a function of two texts, because its own knows the case of ASCII alone.

    Other databases are left as they are.
    """
    connection = connections[alias]
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        connection.connection.create_function(name, 2, function, deterministic=True)


def without_transaction(view: View) -> View:
    """Exempt a view from ``ATOMIC_REQUESTS`` on every database of the site.

    An answer is stored on a thread of the app's own pool. A transaction around the view would make SQLite refuse that
    write, and hide what it stored from the page. Django refuses to serve asynchronous views inside one at all.
    """
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


def close_pool() -> None:
    """End the pool's threads when their steps are done; the next step makes a new pool."""
    global _pool
    pool, _pool = _pool, None
    if pool is not None:
        pool.shutdown()
