"""How coroutines reach the database, and which database that is.

A query must not run on the event loop, and Channels by default runs all queries of a process on one thread: 40 calls
of 0.1 s took 4.2 s. ``in_database`` runs each step on a bounded pool of the app's own threads. Each thread keeps its
connection for the next step, because a new one costs 1 to 3 ms and Django closes it after each request by default.

A site's router may keep the app's tables in another database than ``default``. Transactions, cursors and commit hooks
therefore come from here; ``tests/db/test_threads.py`` checks that no other module of the app opens its own.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from contextvars import copy_context
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.db import IntegrityError, OperationalError, connections, router, transaction

from ..conf import conf
from ..forking import after_fork
from ..models import Conversation
from ..prometheus import DATABASE_WAIT
from .kept import Kept, close_kept
from .steps import steps
from .writing import one_writer

P = ParamSpec("P")
T = TypeVar("T")
View = TypeVar("View", bound=Callable[..., Any])


class Pool(ThreadPoolExecutor):
    """A pool that can be used while the interpreter ends, as far as it has threads by then.

    Python 3.12.0 and 3.12.1 begin no thread any more while the last steps of a process are still to be stored.
    """

    def _adjust_thread_count(self) -> None:
        """Begin another thread if none is idle. The step is queued already, so one of the others can take it."""
        try:
            super()._adjust_thread_count()
        except RuntimeError:
            if not self._threads:
                raise


_pool: Pool | None = None


async def in_database(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a database step on one of ``CHAT["DATABASE_THREADS"]`` threads.

    If the caller is cancelled, the step still runs to its end, so that a transaction is either complete or not there.

    Args:
        function: the step, a sync function.
        *args: its arguments.
        **kwargs: its keyword arguments.

    Returns:
        what the step returns.

    Raises:
        django.db.OperationalError: no thread was free for ``CHAT["DATABASE_WAIT"]`` seconds. So no queue grows while
            the database does not respond and each step waits for its own timeout.
    """
    global _pool
    if _pool is None:
        _pool = Pool(conf.database_threads, thread_name_prefix="chat-database")
    asked = time.monotonic()

    def in_time() -> T:
        waited = time.monotonic() - asked
        DATABASE_WAIT.observe(waited)
        if waited > conf.database_wait:
            raise OperationalError(f"No thread was free for {function.__name__} in {conf.database_wait:g} s.")
        with steps, Kept(database(), conf.database_max_age):
            return function(*args, **kwargs)

    return await asyncio.get_running_loop().run_in_executor(_pool, copy_context().run, in_time)


def database() -> str:
    """Return the alias of the database that holds the app's tables."""
    return router.db_for_write(Conversation)


def atomic(step: Callable[P, T]) -> Callable[P, T]:
    """Wrap a step in one transaction of the app's database."""

    @wraps(step)
    def in_transaction(*args: P.args, **kwargs: P.kwargs) -> T:
        alias = database()
        with _writer(alias), transaction.atomic(using=alias):
            return step(*args, **kwargs)

    return in_transaction


def atomic_with_retry(step: Callable[P, T]) -> Callable[P, T]:
    """Wrap a step in one transaction, and retry it once on ``IntegrityError``.

    A concurrent copy of the same request got there first, so this time it is found.
    """

    @wraps(step)
    def in_transaction(*args: P.args, **kwargs: P.kwargs) -> T:
        alias = database()
        try:
            with _writer(alias), transaction.atomic(using=alias):
                return step(*args, **kwargs)
        except IntegrityError:
            with _writer(alias), transaction.atomic(using=alias):
                return step(*args, **kwargs)

    return in_transaction


def _writer(alias: str) -> AbstractContextManager[None]:
    """Return what a new transaction waits in: on SQLite for other threads, unless this one has a transaction already.

    Then it may have SQLite's own lock, and the others wait for that.
    """
    connection = connections[alias]
    return one_writer() if connection.vendor == "sqlite" and not connection.in_atomic_block else nullcontext()


def on_commit(action: Callable[[], None], using: str | None = None) -> None:
    """Call ``action`` once the current transaction of the app's database, or of ``using``, is committed."""
    transaction.on_commit(action, using=using or database())


def ping() -> None:
    """Send a query to the app's database, to see whether it responds. Raises ``django.db.Error``."""
    with connections[database()].cursor() as cursor:
        cursor.execute("SELECT 1")


def vendor(alias: str) -> str:
    """Return the kind of a database by its alias: ``"postgresql"``, ``"sqlite"``, ..."""
    return connections[alias].vendor


def has_partial_indexes(alias: str) -> bool:
    """Tell whether a database has the indexes of the app that cover only some rows."""
    return connections[alias].features.supports_partial_indexes


def hidden_by() -> str:
    """Return what hides this thread's rows in the app's database from other threads; empty if nothing does."""
    connection = connections[database()]
    if connection.vendor == "sqlite" and connection.is_in_memory_db():  # type: ignore[attr-defined]
        return "an SQLite database in memory"
    return "a transaction" if connection.in_atomic_block else ""


def close_connection() -> None:
    """Close this thread's connection to the app's database, before the thread ends."""
    connections[database()].close()


def add_function(alias: str, name: str, function: Callable[[str, str], bool]) -> None:
    """Add an SQL function of two texts to this thread's connection, if the database is SQLite.

    SQLite's own comparisons ignore case only for ASCII letters.
    """
    connection = connections[alias]
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        connection.connection.create_function(name, 2, function, deterministic=True)


def without_transaction(view: View) -> View:
    """Exempt a view from ``ATOMIC_REQUESTS`` on every database of the site.

    The app's steps run on threads of its own pool. A transaction around the view would make SQLite refuse their writes,
    and would hide from the view what they stored. Django does not allow asynchronous views inside a transaction at all.
    """
    for alias in connections:
        view = transaction.non_atomic_requests(using=alias)(view)
    return view


def _forget_pool() -> Pool | None:
    global _pool
    pool, _pool = _pool, None
    return pool


after_fork(_forget_pool)


def close_pool() -> None:
    """Wait for the steps that are running, end the pool's threads and close their connections.

    The next step creates a new pool.
    """
    global _pool
    pool, _pool = _pool, None
    if pool is not None:
        pool.shutdown()
        close_kept()
