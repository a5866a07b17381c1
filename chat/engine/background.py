"""Where the Python API asks: on the loop of the server that runs in this process, or on one loop in the background.

Outside of a server, as in a command, a worker of Celery, a shell or a WSGI process, there is one thread with one event
loop for all questions of the process. It begins with the first question, and ends when it was idle for ``IDLE`` seconds
or with the process. Its engine is a client.
"""

import asyncio
import atexit
import contextvars
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from asgiref.sync import sync_to_async

from ..conf import conf
from ..db.threads import close_pool, hidden_by
from ..forking import after_fork
from .engine import Engine, State, client_engine, engine_of, engines

T = TypeVar("T")
Work = Callable[[Engine], Coroutine[Any, Any, T]]

IDLE = 30.0
"""How long the thread waits for another question before it ends, in seconds."""

WAIT = 10.0
"""How long to wait for the thread's end, besides the grace period of its answers, in seconds."""


class Background:
    """The thread, and its event loop."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._executor = ThreadPoolExecutor(thread_name_prefix="chat-default")
        self.loop.set_default_executor(self._executor)
        self.questions = 0
        """How many questions are being answered."""
        self._changed = asyncio.Event()
        self._leaving = False
        self._main = self.loop.create_task(self._until_idle(), context=contextvars.Context())
        self._thread = threading.Thread(target=self._serve, name="chat-questions", daemon=True)
        self._thread.start()

    def touch(self) -> None:
        """Begin to wait for another question again."""
        self.loop.call_soon_threadsafe(self._changed.set)

    def end(self) -> None:
        """Drain the engine, end the thread, and wait for it."""
        if not self.loop.is_closed():
            with suppress(RuntimeError):  # it is closed just now
                self.loop.call_soon_threadsafe(self._leave)
        self._thread.join(4 * conf.grace_period + WAIT)

    def _leave(self) -> None:
        self._leaving = True
        self._changed.set()

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_until_complete(self._main)
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        finally:
            # On this thread: the loop would begin others, which Python 3.12.0 and 3.12.1 refuse when they end.
            self._executor.shutdown()
            if not engines():
                close_pool()
            asyncio.set_event_loop(None)
            self.loop.close()

    async def _until_idle(self) -> None:
        while not self._leaving:
            self._changed.clear()
            try:
                async with asyncio.timeout(IDLE):
                    await self._changed.wait()
            except TimeoutError:
                if _retire(self):
                    break
        if (found := engine_of(self.loop)) is not None:
            await found.drain()


_lock = threading.Lock()
_current: Background | None = None
_retired: Background | None = None
"""The last one that was idle, which may still be draining."""


def _retire(background: Background) -> bool:
    """Let nobody ask there any more, if nobody does; return whether that is so."""
    global _current, _retired
    with _lock:
        if background.questions:
            return False
        if _current is background:
            _current, _retired = None, background
        return True


def close() -> None:
    """End the thread, if there is one, and wait until its answers are stored. The next question begins another."""
    global _current, _retired
    with _lock:
        found = [each for each in (_retired, _current) if each is not None]
        _current = _retired = None
    for background in found:
        background.end()


def _forget() -> tuple[Background | None, Background | None]:
    global _lock, _current, _retired
    found = _current, _retired
    _lock, _current, _retired = threading.Lock(), None, None
    return found


after_fork(_forget)

# The pools of threads end before ``atexit`` is called, and the engine needs them to store how its answers ended.
getattr(threading, "_register_atexit", atexit.register)(close)


@contextmanager
def _in_use() -> Iterator[asyncio.AbstractEventLoop]:
    """Yield the loop in the background, which does not end meanwhile."""
    global _current, _retired
    with _lock:
        if _retired is not None:
            _retired.end()  # two of them would end the threads of each other
            _retired = None
        background = _current = _current or Background()
        background.questions += 1
    try:
        yield background.loop
    finally:
        with _lock:
            background.questions -= 1
        if not background.loop.is_closed():
            background.touch()


def servers_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop of a server that runs in this process and has begun to answer; ``None`` if there is none."""
    return next((loop for loop, found in engines() if not found.client and found.state is not State.NEW), None)


def check_visible() -> None:
    """Raise ``RuntimeError`` if other threads cannot see what this one stores."""
    if hidden := hidden_by():
        raise RuntimeError(
            f"The Python API answers on other threads, which cannot see what this one stores in {hidden}. Call it "
            "outside of transactions: not inside transaction.atomic(), and with ATOMIC_REQUESTS in a view that has "
            "@transaction.non_atomic_requests. A test needs TransactionTestCase, or pytest's transactional_db, and a "
            'database that is no SQLite database in memory: give the one in DATABASES a file, as "TEST": '
            '{"NAME": BASE_DIR / "test.sqlite3"}.'
        )


def run(work: Work[T]) -> T:
    """Run a coroutine with an engine, on another thread, and wait for its end. If the wait is broken off, cancel it."""
    check_visible()
    loop = servers_loop()
    if loop is not None:
        return _result(_submit(loop, work))
    with _in_use() as loop:
        return _result(_submit(loop, work))


async def run_async(work: Work[T]) -> T:
    """Run a coroutine with an engine: on this loop if a server or a client has its engine here, otherwise elsewhere.

    If the caller is cancelled, so is the coroutine.
    """
    own = engine_of(asyncio.get_running_loop())
    if own is not None and own.state is not State.NEW:
        return await own.tasks.spawn(work(own))
    await sync_to_async(check_visible)()
    loop = servers_loop()
    if loop is not None:
        return await asyncio.wrap_future(_submit(loop, work))
    with _in_use() as loop:
        return await asyncio.wrap_future(_submit(loop, work))


def _submit(loop: asyncio.AbstractEventLoop, work: Work[T]) -> "Future[T]":
    """Start a coroutine on a loop of another thread, without this thread's context."""

    async def with_engine() -> T:
        found = engine_of(loop) or client_engine()
        return await found.tasks.spawn(work(found))

    return contextvars.Context().run(asyncio.run_coroutine_threadsafe, with_engine(), loop)


def _result(future: "Future[T]") -> T:
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise
