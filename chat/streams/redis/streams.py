"""Streams that the processes of a site share through Redis.

Every process keeps the streams of its own runs in memory and mirrors them to Redis. It keeps a replica of another
process's stream while it has readers here. One pipeline per tick carries everything: appended chunks, requests to stop
answers in both directions, and one non-blocking read of all replicas.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

from redis.exceptions import ResponseError

from ...chunks import Chunk
from ...conf import conf
from ..base import Stream, StreamKey, Streams
from . import entries
from .mirror import MirroredStream
from .pipeline import Exchange, Request
from .replica import Replica

logger = logging.getLogger(__name__)

MAX_READ = 500
"""How many entries of one stream, or requests to stop an answer, are read at once."""

LEASE = 3600
"""How long a stream without an end is kept after the longest time that an answer may take, in seconds."""


class RedisStreams(Streams):
    """The streams of one process, on its server's event loop."""

    shared = True

    def __init__(self) -> None:
        self._prefix = conf.redis_prefix
        self._streams: dict[StreamKey, MirroredStream] = {}
        self._writing: dict[MirroredStream, None] = {}
        self._replicas: WeakValueDictionary[StreamKey, Replica] = WeakValueDictionary()  # their readers keep them
        self._stops: list[tuple[str, int]] = []
        self._process = ""
        self._stop: Callable[[int], None] = lambda answer_id: None
        self._finishing = False
        self._exchange = Exchange(conf.redis_url, self._requests, self._note_trouble)

    @property
    def reached(self) -> bool:
        """Tell whether Redis has ever answered."""
        return self._exchange.reached

    def open(self, key: StreamKey) -> MirroredStream:
        """Make the stream of a run, mirrored to Redis."""
        if key in self._streams:
            raise ValueError(f"The run {key} already has a stream.")
        lease = round(LEASE + conf.max_duration + conf.loading_timeout)
        stream = MirroredStream(
            entries.stream_key(self._prefix, key), lease, _seconds(conf.stream_retention), self._mirror
        )
        self._streams[key] = stream
        return stream

    def get(self, key: StreamKey) -> MirroredStream | None:
        """Look up the stream of a run of this process."""
        return self._streams.get(key)

    def discard(self, key: StreamKey) -> None:
        """Forget the stream of a run, if there is one."""
        if stream := self._streams.pop(key, None):
            self._writing.pop(stream, None)

    def replica(self, key: StreamKey) -> Stream:
        """Return the replica of another process's stream, made on first use and shared by its readers."""
        replica = self._replicas.get(key)
        if replica is None:
            self._replicas[key] = replica = Replica(key, self._exchange.wake)
            replica.delay(self._exchange.failing)
        return replica

    @property
    def replicas(self) -> Sequence[StreamKey]:
        """List the runs of other processes that have readers here."""
        return [key for key, replica in self._replicas.items() if replica.readers and not replica.closed]

    def complete(self, key: StreamKey, remainder: Callable[[Sequence[Chunk]], Sequence[Chunk] | None]) -> None:
        """End a replica with the chunks that ``remainder`` returns, or give it up if that returns ``None``."""
        replica = self._replicas.get(key)
        if replica is None or replica.closed:
            return
        missing = remainder(replica.chunks)
        if missing is None:
            replica.give_up()
        else:
            replica.extend(missing)

    async def start(self, process: str, stop: Callable[[int], None]) -> None:
        """Connect to Redis, and start exchanging commands with it once per tick."""
        self._process, self._stop = process, stop
        await self._exchange.start()

    def stop(self, process: str, answer_id: int) -> None:
        """Ask another process through Redis to stop an answer."""
        self._stops.append((process, answer_id))
        self._exchange.wake()

    async def take_over(self, key: StreamKey) -> list[Chunk] | None:
        """Add a fence, after which Redis refuses the entries of the dead process, and return the stream's chunks."""
        name = entries.stream_key(self._prefix, key)
        fence = ("XADD", name, "NOMKSTREAM", entries.FENCE, entries.BY, self._process)
        answers = await self._exchange.ask([fence, ("XRANGE", name, "-", "+")])
        found = answers and answers[1]
        return entries.read(found).chunks if found and not isinstance(found, ResponseError) else None

    async def conclude(self, key: StreamKey, held: int, chunks: Sequence[Chunk]) -> None:
        """Write the last chunks after the fence."""
        name = entries.stream_key(self._prefix, key)
        added = [entries.add(name, number, chunk, epoch=1) for number, chunk in enumerate(chunks, held)]
        await self._exchange.ask([*added, ("EXPIRE", name, _seconds(conf.stream_retention))])

    async def finish(self) -> None:
        """Write the chunks that Redis does not have yet, and log a warning if that fails."""
        self._finishing = True
        await self._exchange.finish()
        if left := sum(not stream.mirrored for stream in self._writing):
            logger.warning("The streams of %d answers could not be written to Redis.", left)

    def _mirror(self, stream: MirroredStream) -> None:
        self._writing[stream] = None
        self._exchange.wake()

    def _note_trouble(self, failing: bool) -> None:
        for stream in self._writing if failing else ():
            stream.doubt()
        for replica in self._replicas.values():
            replica.delay(failing)

    def _requests(self) -> Iterator[Request]:
        yield from self._writes()
        yield from self._reads()
        yield from self._receive_stops()
        yield from self._send_stops()

    def _writes(self) -> Iterator[Request]:
        for stream in list(self._writing):
            if stream.mirrored:
                del self._writing[stream]
            elif commands := stream.commands():
                yield commands, partial(stream.take, commands)

    def _reads(self) -> Iterator[Request]:
        replicas = {entries.stream_key(self._prefix, key).encode(): self._replicas[key] for key in self.replicas}
        if replicas:
            positions = [replica.position for replica in replicas.values()]
            yield [("XREAD", "COUNT", MAX_READ, "STREAMS", *replicas, *positions)], partial(_take_entries, replicas)

    def _receive_stops(self) -> Iterator[Request]:
        """Read, while an answer runs here, which answers other processes want to stop."""
        if not self._finishing and not all(stream.closed for stream in self._streams.values()):
            yield [("LPOP", entries.stops_key(self._prefix, self._process), MAX_READ)], self._take_stops

    def _send_stops(self) -> Iterator[Request]:
        """Send the requests to stop answers of other processes. One that gets lost is in the database as well."""
        stops, self._stops = self._stops, []
        for process, answer_id in stops:
            key = entries.stops_key(self._prefix, process)
            yield [("RPUSH", key, answer_id), ("EXPIRE", key, _seconds(conf.process_timeout))], _first_refusal

    def _take_stops(self, answers: Sequence[Any]) -> ResponseError | None:
        if isinstance(answers[0], ResponseError):
            return answers[0]
        for answer_id in answers[0] or ():
            self._stop(int(answer_id))
        return None


def _take_entries(replicas: Mapping[bytes, Replica], answers: Sequence[Any]) -> ResponseError | None:
    if isinstance(answers[0], ResponseError):
        return answers[0]
    for key, found in answers[0] or ():
        replicas[key].take(found)
    return None


def _first_refusal(answers: Sequence[Any]) -> ResponseError | None:
    return next((answer for answer in answers if isinstance(answer, ResponseError)), None)


def _seconds(time: float) -> int:
    """Round a time to the whole seconds, at least one, that Redis expects."""
    return max(1, round(time))
