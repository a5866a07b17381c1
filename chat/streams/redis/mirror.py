"""A log of this process, and how much of it stands in Redis."""

from collections.abc import Callable, Sequence
from typing import Any

from redis.exceptions import ResponseError

from ...chunks import Chunk, Closing
from ..memory import MemoryStream
from . import entries
from .entries import Command

MAX_ENTRIES = 500
"""How much of one log goes into one pipeline: after an outage a log is written again in several ticks."""

TAKEN = "equal or smaller"
"""What Redis says of an id that it has already, or that lies before one that it has."""


class MirroredStream(MemoryStream):
    """Readers of this process are served from memory; the stream in Redis is for those of other processes."""

    def __init__(self, key: str, lease: int, retention: int, changed: Callable[["MirroredStream"], None]) -> None:
        super().__init__()
        self._key = key
        self._lease = lease
        self._retention = retention
        self._changed = changed
        self._sent = 0
        self._sure = True
        """Whether ``_sent`` is known to be what Redis has."""
        self._foreign = False
        self._refusal: ResponseError | None = None
        self._expiring = False
        self._mirrored = False

    def append(self, chunk: Chunk) -> None:
        """Add a chunk, and have it written to Redis with the next tick."""
        super().append(chunk)
        self._changed(self)

    def close(self) -> None:
        """Mark the end, and have it written to Redis with the next tick."""
        super().close()
        self._changed(self)

    @property
    def mirrored(self) -> bool:
        """Whether nothing is left to do: the whole log is in Redis and will expire, or another process has it."""
        return self._mirrored

    @property
    def behind(self) -> bool:
        """Whether Redis may lack something."""
        return not self._sure or self._sent < len(self.chunks)

    def doubt(self) -> None:
        """What was sent may or may not have arrived."""
        self._sure = False

    def commands(self) -> list[Command]:
        """What to ask of Redis next."""
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
        """Learn from what Redis answered; returns what it refuses, until it has taken it."""
        if not self._sure:
            return self._compare(*answers) or self._refusal
        self._foreign, self._refusal = False, None
        for command, answer in zip(asked, answers, strict=True):
            if isinstance(answer, ResponseError):
                self._sure = False
                self._refusal = None if TAKEN in str(answer) else answer
                return self._refusal
            if command[0] == "XADD":
                if answer is None:  # a Redis that came back empty: write it all again
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
            self._foreign = True  # left by a database that had this key before
        elif epoch:
            self._mirrored = True  # taken over: the heartbeat will say so as well
        elif number + 1 != length:
            self._foreign = True  # has a gap: Redis refused an entry and took a later one
        else:
            self._sent = length
        return None
