"""Streams in the memory of one process, for a site that has only one, and perhaps processes that only ask."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress

from ..chunks import Chunk, Closing
from ..conf import conf
from .base import Batch, LostStreamError, Stream, StreamKey, Streams, Take

logger = logging.getLogger(__name__)


class Waiting:
    """A reader that waits for the chunk number ``position``."""

    __slots__ = ("more", "position", "take")

    def __init__(self, position: int, take: Take | None) -> None:
        self.more: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.position = position
        self.take = take

    def takes_all(self, chunks: list[Chunk]) -> bool:
        """Offer the chunks that are new to the reader; return whether it has taken all, so that it waits for more."""
        if self.take is None or self.position >= len(chunks):
            return False
        try:
            self.position += self.take(self.position, chunks[self.position :])
        except Exception:  # the run that appends must not fail with its reader
            logger.exception("A reader failed; it is woken to read by itself.")
        return self.position == len(chunks)


class MemoryStream(Stream):
    """A list of chunks, and the readers that wait for more."""

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []
        self._closed = asyncio.Event()
        self.lost = False
        self._waiting: list[Waiting] = []

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

    async def follow(self, after: int = -1, take: Take | None = None) -> AsyncGenerator[Batch, None]:
        """Yield the chunks numbered above ``after``, and then new ones as they are appended, unless ``take`` does."""
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
                position = await self._more(position, take)

    async def _more(self, position: int, take: Take | None = None) -> int:
        """Wait for a change that ``take`` does not take, and return the number of the first chunk not taken."""
        waiting = Waiting(position, take)
        self._waiting.append(waiting)
        await waiting.more
        return waiting.position

    def _wake(self) -> None:
        """Offer what is new to the readers that wait, and wake those that do not take it at once."""
        waiting, self._waiting = self._waiting, []
        for reader in waiting:
            if reader.more.done():  # it was cancelled while it waited
                continue
            if not self.closed and reader.takes_all(self.chunks):
                self._waiting.append(reader)
            else:
                reader.more.set_result(None)


class Copy(MemoryStream):
    """A stream of another process, copied into the memory of this one."""

    def extend(self, new: Sequence[Chunk]) -> None:
        """Add chunks; an ending closes the stream."""
        if new and not self.closed:
            self.chunks.extend(new)
            if isinstance(new[-1], Closing):
                self.close()
            self._wake()


class MemoryStreams(Streams):
    """The streams of this process, and copies of those of others, made of what the database has of their answers."""

    shared = False

    def __init__(self) -> None:
        self._streams: dict[StreamKey, MemoryStream] = {}
        self._copies: dict[StreamKey, Copy] = {}

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

    def replica(self, key: StreamKey) -> Copy:
        """Return the copy of another process's stream, which all readers share.

        It stays until ``CHAT["STREAM_RETENTION"]`` after its end: its numbers mean nothing to another copy.
        """
        return self._copies.setdefault(key, Copy())

    @property
    def replicas(self) -> Sequence[StreamKey]:
        """List the runs of other processes that were followed here and have not ended."""
        return [key for key, copy in self._copies.items() if not copy.closed]

    def grow(self, key: StreamKey, more: Callable[[Sequence[Chunk]], Sequence[Chunk] | None]) -> None:
        """Add the chunks that ``more`` returns to a copy."""
        if copy := self._copies.get(key):
            copy.extend(more(copy.chunks) or ())

    def complete(self, key: StreamKey, remainder: Callable[[Sequence[Chunk]], Sequence[Chunk] | None]) -> None:
        """End a copy with the chunks that ``remainder`` returns, or give it up if that returns ``None``."""
        copy = self._copies.get(key)
        if copy is None or copy.closed:
            return
        missing = remainder(copy.chunks)
        if missing is None:
            del self._copies[key]
            copy.give_up()
            return
        copy.extend(missing)
        asyncio.get_running_loop().call_later(conf.stream_retention, self._copies.pop, key, None)
