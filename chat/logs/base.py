"""What a log is: chunks numbered 0, 1, 2, ..., appended by one run and followed by any number of readers."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from typing import NamedTuple

from ..chunks import Chunk


class Batch(NamedTuple):
    """Chunks that follow each other; the first has the number ``first``."""

    first: int
    chunks: list[Chunk]


class Log(ABC):
    """The chunks of one answer. All methods are called on the event loop."""

    @property
    @abstractmethod
    def closed(self) -> bool:
        """Whether the log is whole: its last chunk is an ending."""

    @abstractmethod
    def append(self, chunk: Chunk) -> None:
        """Add a chunk. Raises ``ValueError`` on a closed log."""

    @abstractmethod
    def close(self) -> None:
        """Say that no chunk will follow; closing again changes nothing."""

    @abstractmethod
    def follow(self, after: int = -1) -> AsyncGenerator[Batch, None]:
        """Yield every chunk numbered above ``after``, in batches of what is there, until the log is closed and read.

        A number that the log never reached is taken as -1: the reader gets everything.
        """


class Logs(ABC):
    """The logs of a site, by the primary key of their answer. A log belongs to one run; a key is never used again."""

    @abstractmethod
    def open(self, answer: int) -> Log:
        """A new log for an answer that is about to run. Raises ``ValueError`` where there is one."""

    @abstractmethod
    def get(self, answer: int) -> Log | None:
        """The log of an answer that runs, or that ended less than ``CHAT["LOG_RETENTION"]`` ago."""

    @abstractmethod
    def discard(self, answer: int) -> None:
        """Forget a log; its readers keep what they hold."""
