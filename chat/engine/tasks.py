"""The tasks of a process: those it waits for before it ends, and those that serve sockets."""

import asyncio
import contextvars
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar, cast

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Tasks:
    """The tasks of a process, and those that serve its sockets, which it does not wait for."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._own: set[asyncio.Task[Any]] = set()
        self._serving: set[asyncio.Task[Any]] = set()

    def __bool__(self) -> bool:
        return bool(self._own)

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a task in an empty context: a request's context would keep that request's thread and connection."""
        task = self._loop.create_task(work, context=contextvars.Context())
        self._own.add(task)
        task.add_done_callback(self._own.discard)
        return task

    async def complete(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine as a task of the process, which is completed even if the caller is cancelled."""
        task = self.spawn(work)
        # Retrieve the exception even if nobody waits for the task any more: otherwise asyncio logs it.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return cast(T, await asyncio.shield(task))

    def spawn_for_socket(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start a task that serves sockets, in an empty context. The process does not wait for it to end."""
        task = self._loop.create_task(work, context=contextvars.Context())
        self.serve(task)
        return task

    def serve(self, task: asyncio.Task[Any]) -> None:
        """Add a task that serves a socket and was started by the server."""
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def wait(self, seconds: float) -> None:
        """Wait for all tasks, including new ones, for at most ``seconds``."""
        deadline = self._loop.time() + seconds
        while self._own and (left := deadline - self._loop.time()) > 0:
            await asyncio.wait(self._own, timeout=left)

    def give_up(self) -> None:
        """Cancel the tasks that have not ended."""
        for task in self._own:
            logger.error("A task was given up: %r", task)
            task.cancel()

    async def end_sockets(self, seconds: float) -> None:
        """Cancel the tasks that still serve sockets, and wait for them for at most ``seconds``."""
        for task in self._serving:
            task.cancel()
        if self._serving:
            await asyncio.wait(self._serving, timeout=seconds)
