"""A log that another process writes, read from Redis into this one's memory for as long as it has readers here."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from ...chunks import Chunk, Closing
from ..base import Batch
from ..memory import MemoryStream
from . import entries
from .entries import Entry


class Replica(MemoryStream):
    """The chunks so far, one copy for all readers; ``wanted`` is called when one begins to follow."""

    def __init__(self, answer: int, wanted: Callable[[], None]) -> None:
        super().__init__()
        self.answer = answer
        self.position = "0-0"
        """The id of the last entry that was read."""
        self.readers = 0
        self._wanted = wanted

    def take(self, found: Sequence[Entry]) -> None:
        """Take the stream's next entries. What follows a gap is read again when its writer has mended it."""
        new = entries.read(found, len(self.chunks), self.position)
        self.position = new.position
        self.extend(new.chunks)
        if new.lost:
            self.give_up()
        elif new.closed:
            self.close()

    def extend(self, new: Sequence[Chunk]) -> None:
        """Add chunks; an ending closes the log."""
        if new and not self.closed:
            self.chunks.extend(new)
            if isinstance(new[-1], Closing):
                self.close()
            self._wake()

    def delay(self, delayed: bool) -> None:
        """Say whether the log can be read at the moment."""
        if self.delayed != delayed and not self.closed:
            self.delayed = delayed
            self._wake()

    async def follow(self, after: int = -1) -> AsyncGenerator[Batch, None]:
        """Yield the chunks above ``after``; while a reader follows, the stream is read from Redis."""
        self.readers += 1
        self._wanted()
        try:
            # Who comes back with a number waits for the first read, lest an empty copy takes it for a strange one.
            while after >= len(self.chunks) and not self.closed and self.position == "0-0":
                await self._more()
            async with aclosing(super().follow(after)) as batches:
                async for batch in batches:
                    yield batch
        finally:
            self.readers -= 1
