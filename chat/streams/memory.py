"""Streams in the memory of one process, for a site that has only one."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

from ..chunks import Chunk
from .base import Batch, LostStreamError, Stream, StreamKey, Streams


class MemoryStream(Stream):
    """A list of chunks, and the readers that wait for more."""

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []
        self._closed = asyncio.Event()
        self.lost = False
        self._waiting: list[asyncio.Future[None]] = []

    @property
    def closed(self) -> bool:
        """Tell whether no chunk will follow."""
        return self._closed.is_set()

    async def closed_within(self, seconds: float) -> bool:
        """Wait for the end, for at most this many seconds; return whether the stream is closed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closed.wait()
        return self.closed

    def append(self, chunk: Chunk) -> None:
        """Add a chunk and wake the readers."""
        if self.closed:
            raise ValueError(f"The stream is closed: it accepts no further chunk, got {type(chunk).__name__}.")
        self.chunks.append(chunk)
        self._wake()

    def close(self) -> None:
        """Mark the end and wake the readers."""
        self._closed.set()
        self._wake()

    def give_up(self) -> None:
        """Close the stream without an ending, unless it is closed already."""
        self.lost = not self.closed
        self.close()

    async def follow(self, after: int = -1) -> AsyncGenerator[Batch, None]:
        """Yield the chunks numbered above ``after``, and then new ones as they are appended."""
        position = after + 1 if 0 <= after < len(self.chunks) else 0
        delayed = False
        while True:
            if position < len(self.chunks) or delayed != self.delayed:
                delayed = self.delayed
                batch = Batch(position, self.chunks[position:])
                position = len(self.chunks)
                yield batch
            elif self.lost:
                raise LostStreamError("The stream was given up.")
            elif self.closed:
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
            if not future.done():  # its reader was cancelled while it waited
                future.set_result(None)


class MemoryStreams(Streams):
    """The streams of this process."""

    shared = False

    def __init__(self) -> None:
        self._streams: dict[StreamKey, MemoryStream] = {}

    def open(self, key: StreamKey) -> MemoryStream:
        """Make the stream of a run that is about to begin."""
        if key in self._streams:
            raise ValueError(f"The run {key} already has a stream.")
        self._streams[key] = stream = MemoryStream()
        return stream

    def get(self, key: StreamKey) -> MemoryStream | None:
        """Look up the stream of a run."""
        return self._streams.get(key)

    def discard(self, key: StreamKey) -> None:
        """Forget the stream of a run, if there is one."""
        self._streams.pop(key, None)
