# ruff: noqa: B027 (a process alone has nothing to share)
"""What a log is: chunks numbered 0, 1, 2, ..., appended by one run and followed by any number of readers."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import ClassVar, NamedTuple

from ..chunks import Chunk


class Batch(NamedTuple):
    """Chunks that follow each other; the first has the number ``first``.

    There are none where only ``Log.delayed`` has changed.
    """

    first: int
    chunks: list[Chunk]


class LostStreamError(Exception):
    """A log was given up before its end: what a reader has of it may not be how the answer ended."""


class Stream(ABC):
    """The chunks of one answer. All methods are called on the event loop."""

    delayed = False
    """Whether what is appended elsewhere cannot be read at the moment."""
    lost = False
    """Whether it was given up."""

    @property
    @abstractmethod
    def closed(self) -> bool:
        """Whether no chunk will follow."""

    @abstractmethod
    async def closed_within(self, seconds: float) -> bool:
        """Wait until the log is closed, but no longer than ``seconds``; return whether it is."""

    @abstractmethod
    def append(self, chunk: Chunk) -> None:
        """Add a chunk. Raises ``ValueError`` on a closed log."""

    @abstractmethod
    def close(self) -> None:
        """Say that no chunk will follow; closing again changes nothing."""

    @abstractmethod
    def give_up(self) -> None:
        """Close a log that will not have its ending: its readers are told by ``LostLogError``."""

    @abstractmethod
    def follow(self, after: int = -1) -> AsyncGenerator[Batch, None]:
        """Yield every chunk numbered above ``after``, in batches of what is there, until the log is closed and read.

        A number that the log never reached is taken as -1: the reader gets everything. Raises ``LostLogError`` at the
        end of a log that was given up.
        """


class Streams(ABC):
    """The logs of a process, by the primary key of their answer. A log belongs to one run; a key is never used again.

    Where logs are ``shared``, other processes can follow them as well: as ``replica`` there, until the answer ends.
    """

    shared: ClassVar[bool]

    @property
    def reached(self) -> bool:
        """Whether what logs are shared through has ever answered."""
        return True

    @abstractmethod
    def open(self, answer: int) -> Stream:
        """A new log for an answer that is about to run here. Raises ``ValueError`` where there is one."""

    @abstractmethod
    def get(self, answer: int) -> Stream | None:
        """The log of an answer that runs here, or that ended here less than ``CHAT["STREAM_RETENTION"]`` ago."""

    @abstractmethod
    def discard(self, answer: int) -> None:
        """Forget a log; its readers keep what they hold."""

    def replica(self, answer: int) -> Stream | None:
        """The log of an answer that another process makes, or ``None`` where logs are not shared."""
        return None

    @property
    def replicas(self) -> Sequence[int]:
        """The answers of other processes that have readers here and have not ended."""
        return ()

    def complete(self, answer: int, remainder: Callable[[Sequence[Chunk]], Sequence[Chunk] | None]) -> None:
        """End a replica whose answer has ended, though its log does not say so.

        ``remainder`` tells what follows the chunks that were read; ``None``, and the log is given up.
        """

    async def start(self, process: str, stop: Callable[[int], None]) -> None:
        """Begin to share logs; ``stop`` is called with each answer of ``process`` that another one wants stopped."""

    def stop(self, process: str, answer: int) -> None:
        """Tell the process that makes an answer to stop it."""

    async def take_over(self, answer: int) -> list[Chunk] | None:
        """Take the log of a dead process over: it can add nothing any more. What it holds, ``None`` without a log."""
        return None

    async def conclude(self, answer: int, held: int, chunks: Sequence[Chunk]) -> None:
        """Add the last chunks to a log that was seized and held so many."""

    async def finish(self) -> None:
        """Share what is not shared yet and give everything back. Raises nothing."""
