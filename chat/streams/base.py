# ruff: noqa: B027 (a process alone has nothing to share)
"""The interface of streams: chunks numbered 0, 1, 2, ..., appended by one run and followed by any number of readers."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import ClassVar, NamedTuple

from ..chunks import Chunk


class Batch(NamedTuple):
    """Consecutive chunks, the first of which has the number ``first``.

    ``chunks`` is empty if only ``Stream.delayed`` has changed.
    """

    first: int
    chunks: list[Chunk]


Take = Callable[[int, Sequence[Chunk]], int]
"""Takes chunks at once, without waiting: the number of the first one, and the chunks. Returns how many it has taken."""


class StreamKey(NamedTuple):
    """Names a stream: the primary key of an answer, and the number of its run.

    Each decision that lets an answer go on begins another run.
    """

    answer_id: int
    run: int = 0


class LostStreamError(Exception):
    """A stream was given up before its end, so its chunks may differ from the answer that is stored in the end."""


class Stream(ABC):
    """The chunks of one answer. All methods must be called on the event loop."""

    delayed = False
    """Whether the chunks that another process appends cannot be read at the moment."""
    lost = False
    """Whether the stream was given up."""

    @property
    @abstractmethod
    def closed(self) -> bool:
        """Tell whether no chunk will follow."""

    @abstractmethod
    async def closed_within(self, seconds: float) -> bool:
        """Wait until the stream is closed, for at most ``seconds``; return whether it is."""

    @abstractmethod
    def append(self, chunk: Chunk) -> None:
        """Add a chunk. Raises ``ValueError`` if the stream is closed."""

    @abstractmethod
    def close(self) -> None:
        """Mark the end: no chunk will follow. Closing again changes nothing."""

    @abstractmethod
    def give_up(self) -> None:
        """Close a stream that will not get its ending: its readers get ``LostStreamError``."""

    @abstractmethod
    def follow(self, after: int = -1, take: Take | None = None) -> AsyncGenerator[Batch, None]:
        """Yield every chunk numbered above ``after``, in batches as they become available, until the end of the stream.

        Args:
            after: a number that the stream has not reached counts as -1, so that the reader gets everything.
            take: is called with chunks while the reader waits for more, as soon as they are appended. What it takes is
                not yielded. This costs less than waking the reader's task.

        Raises:
            LostStreamError: the stream was given up; raised after its last chunk.
        """


class Streams(ABC):
    """The streams of one process.

    Each stream belongs to one run, and a key is never used again. Other processes can follow it, too: each as a
    ``replica``, until the run ends. If streams are ``shared``, a replica gets the chunks as they are appended;
    otherwise it gets what the database has of the answer.
    """

    shared: ClassVar[bool]

    @property
    def reached(self) -> bool:
        """Tell whether the server through which streams are shared has ever answered."""
        return True

    @abstractmethod
    def open(self, key: StreamKey) -> Stream:
        """Make the stream of a run that is about to begin here. Raises ``ValueError`` if it has one already."""

    @abstractmethod
    def get(self, key: StreamKey) -> Stream | None:
        """Return the stream of a run of this process, running or ended less than ``CHAT["STREAM_RETENTION"]`` ago.

        Return ``None`` for any other run.
        """

    @abstractmethod
    def discard(self, key: StreamKey) -> None:
        """Forget the stream of a run; its readers keep the object that they hold."""

    @abstractmethod
    def replica(self, key: StreamKey) -> Stream:
        """Return the stream of a run of another process."""

    @property
    @abstractmethod
    def replicas(self) -> Sequence[StreamKey]:
        """List the runs of other processes that are followed here and have not ended."""

    def grow(self, key: StreamKey, more: Callable[[Sequence[Chunk]], Sequence[Chunk] | None]) -> None:
        """Add to a replica what the database has of its answer, where streams are not shared.

        Args:
            key: the run.
            more: given the chunks that were read, returns those that follow; ``None`` for nothing yet.
        """

    @abstractmethod
    def complete(self, key: StreamKey, remainder: Callable[[Sequence[Chunk]], Sequence[Chunk] | None]) -> None:
        """End a replica whose run has ended without an end of its stream.

        Args:
            key: the run.
            remainder: given the chunks that were read, returns those that follow; ``None`` gives the stream up.
        """

    async def start(self, process: str, stop: Callable[[int], None]) -> None:
        """Start sharing streams.

        Args:
            process: the id of this process.
            stop: called with each answer of this process that another process wants to stop.
        """

    def stop(self, process: str, answer_id: int) -> None:
        """Ask the process that makes an answer to stop it."""

    async def take_over(self, key: StreamKey) -> list[Chunk] | None:
        """Take over the stream of a dead process, which can append nothing from then on.

        Return its chunks; ``None`` if there is no such stream.
        """
        return None

    async def conclude(self, key: StreamKey, held: int, chunks: Sequence[Chunk]) -> None:
        """Add the last chunks to a stream that was taken over and already has ``held`` chunks."""

    async def finish(self) -> None:
        """Share what is not shared yet, and close the connections. Raises nothing."""
