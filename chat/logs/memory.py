"""Logs in the memory of one process, for a site that has only one."""

import asyncio
from collections.abc import AsyncGenerator

from ..chunks import Chunk
from .base import Batch, Log, Logs


class MemoryLog(Log):
    """A list, and the readers that wait at its end."""

    def __init__(self) -> None:
        self._chunks: list[Chunk] = []
        self._closed = False
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def closed(self) -> bool:
        return self._closed

    def append(self, chunk: Chunk) -> None:
        if self._closed:
            raise ValueError(f"The log is closed; it takes no {type(chunk).__name__}.")
        self._chunks.append(chunk)
        self._wake()

    def close(self) -> None:
        self._closed = True
        self._wake()

    async def follow(self, after: int = -1) -> AsyncGenerator[Batch, None]:
        position = after + 1 if 0 <= after < len(self._chunks) else 0
        while True:
            if position < len(self._chunks):
                batch = Batch(position, self._chunks[position:])
                position = len(self._chunks)
                yield batch
            elif self._closed:
                return
            else:
                await self._more()

    async def _more(self) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():  # a reader that left was cancelled while it waited
                future.set_result(None)


class MemoryLogs(Logs):
    """The logs of this process."""

    def __init__(self) -> None:
        self._logs: dict[int, MemoryLog] = {}

    def open(self, answer: int) -> MemoryLog:
        if answer in self._logs:
            raise ValueError(f"The answer {answer} has a log already.")
        self._logs[answer] = log = MemoryLog()
        return log

    def get(self, answer: int) -> MemoryLog | None:
        return self._logs.get(answer)

    def discard(self, answer: int) -> None:
        self._logs.pop(answer, None)
