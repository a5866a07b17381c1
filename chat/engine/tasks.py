"""What a process has under way beside its requests."""

import asyncio
import contextvars
import logging
from collections.abc import Coroutine
from typing import Any

logger = logging.getLogger(__name__)


class Tasks:
    """The tasks of a process, and those that serve its sockets, which end with it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._own: set[asyncio.Task[Any]] = set()
        self._serving: set[asyncio.Task[Any]] = set()

    def __bool__(self) -> bool:
        return bool(self._own)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """A task in a context of its own: a request's would keep its thread and connection."""
        task = self._loop.create_task(work, context=contextvars.Context())
        self._own.add(task)
        task.add_done_callback(self._own.discard)
        return task

    def serve(self, socket: asyncio.Task[Any]) -> None:
        """Know a task of a socket's."""
        self._serving.add(socket)
        socket.add_done_callback(self._serving.discard)

    async def wait(self, seconds: float) -> None:
        """Until nothing is left to do, what began meanwhile among it, but no longer than ``seconds``."""
        latest = self._loop.time() + seconds
        while self._own and (left := latest - self._loop.time()) > 0:
            await asyncio.wait(self._own, timeout=left)

    def give_up(self) -> None:
        """Cancel what does not come to its end."""
        for task in self._own:
            logger.error("A task was given up: %r", task)
            task.cancel()

    async def end_sockets(self, seconds: float) -> None:
        """Cancel what still serves sockets, and wait for it, no longer than ``seconds``."""
        for task in self._serving:
            task.cancel()
        if self._serving:
            await asyncio.wait(self._serving, timeout=seconds)
