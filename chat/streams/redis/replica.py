"""A stream of another process, copied from Redis into this process's memory as long as it has readers here."""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from ..base import Batch, StreamKey, Take
from ..memory import Copy
from . import entries
from .entries import Entry


class Replica(Copy):
    """The chunks so far, one copy for all readers of this process. Calls ``wanted`` when a reader begins to follow."""

    def __init__(self, key: StreamKey, wanted: Callable[[], None]) -> None:
        super().__init__()
        self.key = key
        self.position = "0-0"
        """The id of the last entry that was read."""
        self.readers = 0
        self._wanted = wanted

    def take(self, found: Sequence[Entry]) -> None:
        """Take the stream's next entries up to a gap; the rest is read again when its writer has filled the gap."""
        new = entries.read(found, len(self.chunks), self.position)
        self.position = new.position
        self.extend(new.chunks)
        if new.lost:
            self.give_up()
        elif new.closed:
            self.close()

    def delay(self, delayed: bool) -> None:
        """Record whether reading the stream is delayed at the moment, and wake its readers if that has changed."""
        if self.delayed != delayed and not self.closed:
            self.delayed = delayed
            self._wake()

    async def follow(self, after: int = -1, take: Take | None = None) -> AsyncGenerator[Batch, None]:
        """Yield the chunks numbered above ``after``. The stream is read from Redis as long as a reader follows."""
        self.readers += 1
        self._wanted()
        try:
            # A reader that resumes at an offset waits for the first read; otherwise an empty replica would reject the
            # offset.
            while after >= len(self.chunks) and not self.closed and self.position == "0-0":
                await self._more(0)
            async with aclosing(super().follow(after, take)) as batches:
                async for batch in batches:
                    yield batch
        finally:
            self.readers -= 1
