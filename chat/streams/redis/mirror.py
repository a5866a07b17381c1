"""A stream of this process, and its copy in Redis."""

from collections.abc import Callable, Sequence
from typing import Any

from redis.exceptions import ResponseError

from ...chunks import Chunk, Closing
from ..memory import MemoryStream
from . import entries
from .entries import Command

MAX_ENTRIES = 500
"""How many entries of one stream go into one pipeline; a longer stream takes several ticks, as after an outage."""

ID_TOO_SMALL = "equal or smaller"
"""Part of Redis's error for an id that is not above the last one that it has."""


class MirroredStream(MemoryStream):
    """A stream in memory for the readers of this process, copied to Redis for those of other processes."""

    def __init__(self, key: str, lease: int, retention: int, changed: Callable[["MirroredStream"], None]) -> None:
        super().__init__()
        self._key = key
        self._lease = lease
        self._retention = retention
        self._changed = changed
        self._sent = 0
        self._sure = True
        """Whether Redis is known to have exactly the first ``_sent`` chunks."""
        self._foreign = False
        self._refusal: ResponseError | None = None
        self._expiring = False
        self._mirrored = False

    def append(self, chunk: Chunk) -> None:
        """Add a chunk, and schedule it for the next tick to Redis."""
        super().append(chunk)
        self._changed(self)

    def close(self) -> None:
        """Mark the end, and schedule it for the next tick to Redis."""
        super().close()
        self._changed(self)

    @property
    def mirrored(self) -> bool:
        """Tell whether nothing is left to do: Redis has the whole stream and will expire it, or it was taken over."""
        return self._mirrored

    @property
    def behind(self) -> bool:
        """Tell whether chunks may be missing in Redis."""
        return not self._sure or self._sent < len(self.chunks)

    def doubt(self) -> None:
        """Record that the chunks sent last may not have arrived: compare with Redis before sending more."""
        self._sure = False

    def commands(self) -> list[Command]:
        """Return the next commands for Redis: to compare after a doubt, otherwise to add chunks and set the expiry."""
        if not self._sure:
            key = self._key
            return [("XRANGE", key, "-", "+", "COUNT", 1), ("XREVRANGE", key, "+", "-", "COUNT", 1), ("XLEN", key)]
        end = min(len(self.chunks), self._sent + MAX_ENTRIES)
        asked: list[Command] = [("DEL", self._key)] if self._foreign else []
        asked += [entries.add(self._key, number, self.chunks[number]) for number in range(self._sent, end)]
        if self._sent == 0:
            asked.append(("EXPIRE", self._key, self._lease))
        self._expiring = self.closed and end == len(self.chunks)
        if self._expiring and self._sent <= end and not (self.chunks and isinstance(self.chunks[-1], Closing)):
            asked.append(entries.end(self._key, end, lost=self.lost))
        if self._expiring:
            asked.append(("EXPIRE", self._key, self._retention))
        return asked

    def take(self, asked: Sequence[Command], answers: Sequence[Any]) -> ResponseError | None:
        """Take Redis's replies to the commands ``asked``.

        Return the error with which it refuses an entry, again on every call until it accepts that entry.
        """
        if not self._sure:
            return self._compare(*answers) or self._refusal
        self._foreign, self._refusal = False, None
        for command, answer in zip(asked, answers, strict=True):
            if isinstance(answer, ResponseError):
                self._sure = False
                self._refusal = None if ID_TOO_SMALL in str(answer) else answer
                return self._refusal
            if command[0] == "XADD":
                if answer is None:  # Redis has lost its data: write the whole stream again
                    self._sent = 0
                    return None
                self._sent += 1
        self._mirrored = self._expiring
        return None

    def _compare(self, first: Any, last: Any, length: Any) -> ResponseError | None:
        for answer in (first, last, length):
            if isinstance(answer, ResponseError):
                return answer
        self._sure, self._foreign, self._sent = True, False, 0
        if not first:
            return None
        epoch, number = entries.place(last[0])
        if self.chunks and first[0][1].get(entries.FIELD) != entries.encode(self.chunks[0]):
            self._foreign = True  # left behind under this key, by another database of the site
        elif epoch:
            self._mirrored = True  # taken over by another process, as the heartbeat will notice too
        elif number + 1 != length:
            self._foreign = True  # there is a gap: Redis refused an entry and accepted a later one
        else:
            self._sent = length
        return None
