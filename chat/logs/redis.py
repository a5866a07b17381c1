"""Logs that the processes of a site share through Redis.

Every process keeps the logs of its own runs in memory and mirrors them to Redis streams; of runs elsewhere it keeps a
replica while somebody here reads them. One pipeline per tick carries all of it: what was appended, the stops that other
processes ask for, and one read, which never blocks, of all replicas.
"""

import asyncio
import contextvars
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from ..chunks import Chunk
from ..conf import conf
from . import entries
from .base import Log, Logs
from .entries import Command
from .mirror import MirroredLog
from .replica import Replica

logger = logging.getLogger(__name__)

MAX_READ = 500
"""How many entries of one stream are read at once."""

LONGEST_PAUSE = 1.0
"""Between two tries while Redis does not answer, in seconds."""

LEASE = 3600
"""A log whose end never comes expires so long after the longest that an answer may take, in seconds."""

Request = tuple[Sequence[Command], Callable[[Sequence[Any]], ResponseError | None]]
"""Commands, and who takes what Redis answers to them and returns what it refused."""

BROKEN = (RedisError, OSError, TimeoutError)


class RedisLogs(Logs):
    """The logs of one process, on its server's event loop."""

    shared = True

    def __init__(self) -> None:
        self._prefix = conf.redis_prefix
        self._logs: dict[int, MirroredLog] = {}
        self._writing: dict[MirroredLog, None] = {}
        self._replicas: WeakValueDictionary[int, Replica] = WeakValueDictionary()  # their readers keep them
        self._stops: list[tuple[str, int]] = []
        self._process = ""
        self._stop: Callable[[int], None] = lambda answer: None
        self._redis = connect(conf.redis_url)
        self.address = shown(conf.redis_url)
        self._work = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._failing = False
        self._refused = False
        self._finishing = False
        self.reached = False

    def open(self, answer: int) -> MirroredLog:
        if answer in self._logs:
            raise ValueError(f"The answer {answer} has a log already.")
        retention = max(1, round(conf.log_retention))
        lease = round(LEASE + conf.max_duration + conf.loading_timeout)
        log = MirroredLog(entries.log_key(self._prefix, answer), lease, retention, self._mirror)
        self._logs[answer] = log
        return log

    def get(self, answer: int) -> MirroredLog | None:
        return self._logs.get(answer)

    def discard(self, answer: int) -> None:
        if log := self._logs.pop(answer, None):
            self._writing.pop(log, None)

    def replica(self, answer: int) -> Log:
        replica = self._replicas.get(answer)
        if replica is None:
            self._replicas[answer] = replica = Replica(answer, self._work.set)
            replica.delay(self._failing)
        return replica

    @property
    def replicas(self) -> Sequence[int]:
        return [answer for answer, replica in self._replicas.items() if replica.readers and not replica.closed]

    def complete(self, answer: int, remainder: Callable[[Sequence[Chunk]], Sequence[Chunk] | None]) -> None:
        replica = self._replicas.get(answer)
        if replica is None or replica.closed:
            return
        missing = remainder(replica.chunks)
        if missing is None:
            replica.give_up()
        else:
            replica.extend(missing)

    async def start(self, process: str, stop: Callable[[int], None]) -> None:
        self._process, self._stop = process, stop
        try:
            await self._redis.ping()
            self.reached = True
        except BROKEN as error:
            self._fail(error)
            self._work.set()
        self._task = asyncio.get_running_loop().create_task(self._exchange_forever(), context=contextvars.Context())

    def stop(self, process: str, answer: int) -> None:
        self._stops.append((process, answer))
        self._work.set()

    async def seize(self, answer: int) -> list[Chunk] | None:
        key = entries.log_key(self._prefix, answer)
        pipe = self._redis.pipeline(transaction=False)
        pipe.execute_command("XADD", key, "NOMKSTREAM", entries.FENCE, "by", self._process)
        pipe.execute_command("XRANGE", key, "-", "+")
        try:
            _fence, found = await pipe.execute(raise_on_error=False)
        except BROKEN as error:
            self._fail(error)
            return None
        return entries.read(found).chunks if found and not isinstance(found, ResponseError) else None

    async def conclude(self, answer: int, held: int, chunks: Sequence[Chunk]) -> None:
        key = entries.log_key(self._prefix, answer)
        pipe = self._redis.pipeline(transaction=False)
        for number, chunk in enumerate(chunks, held):
            pipe.execute_command(*entries.add(key, number, chunk, epoch=1))
        pipe.execute_command("EXPIRE", key, max(1, round(conf.log_retention)))
        try:
            await pipe.execute(raise_on_error=False)
        except BROKEN as error:
            self._fail(error)

    async def finish(self) -> None:
        self._finishing = True
        self._work.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=conf.redis_timeout)
            if self._writing:
                logger.warning("The logs of %d answers could not be written to Redis.", len(self._writing))
            while not self._task.done():  # redis-py may take a cancellation for a connection that broke
                self._task.cancel()
                await asyncio.wait([self._task], timeout=conf.tick)
        await self._redis.aclose()

    def _mirror(self, log: MirroredLog) -> None:
        self._writing[log] = None
        self._work.set()

    async def _exchange_forever(self) -> None:
        loop, pause = asyncio.get_running_loop(), conf.tick
        while not self._finishing or self._writing or self._stops:
            await self._work.wait()
            began = loop.time()
            try:
                await self._exchange()
            except BROKEN as error:
                self._fail(error)
            troubled = self._failing or self._refused
            pause = min(2 * pause, LONGEST_PAUSE) if troubled else conf.tick
            if not self._busy and not self._finishing:
                self._work.clear()
            await asyncio.sleep(max(pause - (loop.time() - began), pause / 4))

    @property
    def _busy(self) -> bool:
        """Whether the next tick has something to write, to ask or to read: a run may be stopped from elsewhere."""
        running = not all(log.closed for log in self._logs.values())
        return bool(self._writing or self._stops or self.replicas or self._failing) or running

    async def _exchange(self) -> None:
        """One tick. Raises what ``BROKEN`` has."""
        requests: list[Request] = [*self._writes(), *self._reads(), *self._asked_stops(), *self._given_stops()]
        pipe = self._redis.pipeline(transaction=False)
        for commands, _take in requests:
            for command in commands:
                pipe.execute_command(*command)
        if self._failing:
            requests.append(([("PING",)], _first_error))
            pipe.execute_command("PING")
        if not requests:
            return
        answers = iter(await pipe.execute(raise_on_error=False))
        refused = [take([next(answers) for _ in commands]) for commands, take in requests]
        self._recover()
        self._note_refusals(next(filter(None, refused), None))

    def _writes(self) -> Iterator[Request]:
        for log in list(self._writing):
            if log.mirrored:
                del self._writing[log]
            elif commands := log.commands():
                yield commands, partial(log.take, commands)

    def _reads(self) -> Iterator[Request]:
        replicas = {entries.log_key(self._prefix, answer).encode(): self._replicas[answer] for answer in self.replicas}
        if replicas:
            positions = [replica.position for replica in replicas.values()]
            yield [("XREAD", "COUNT", MAX_READ, "STREAMS", *replicas, *positions)], partial(_take_entries, replicas)

    def _asked_stops(self) -> Iterator[Request]:
        if self._logs:
            yield [("LPOP", entries.stops_key(self._prefix, self._process), MAX_READ)], self._take_stops

    def _given_stops(self) -> Iterator[Request]:
        """A stop that is lost with the connection stands in the database as well."""
        stops, self._stops = self._stops, []
        for process, answer in stops:
            key = entries.stops_key(self._prefix, process)
            yield [("RPUSH", key, answer), ("EXPIRE", key, max(1, round(conf.process_timeout)))], _first_error

    def _take_stops(self, answers: Sequence[Any]) -> ResponseError | None:
        if isinstance(answers[0], ResponseError):
            return answers[0]
        for answer in answers[0] or ():
            self._stop(int(answer))
        return None

    def _note_refusals(self, error: ResponseError | None) -> None:
        if error is not None and not self._refused:
            logger.error("%s refuses what it is asked (%s): answers go on, and are written again.", self.address, error)
            self._refused = True
        elif self._refused and error is None and not any(log.behind for log in self._writing):
            logger.warning("%s takes everything again.", self.address)
            self._refused = False

    def _fail(self, error: Exception) -> None:
        if not self._failing:
            logger.error(
                "%s does not answer (%s): answers go on, but only their own process can show them.", self.address, error
            )
        self._failing = True
        for log in self._writing:
            log.doubt()
        for replica in self._replicas.values():
            replica.delay(True)

    def _recover(self) -> None:
        if self._failing:
            logger.warning("%s answers again.", self.address)
        self._failing, self.reached = False, True
        for replica in self._replicas.values():
            replica.delay(False)


def _take_entries(replicas: Mapping[bytes, Replica], answers: Sequence[Any]) -> ResponseError | None:
    if isinstance(answers[0], ResponseError):
        return answers[0]
    for key, found in answers[0] or ():
        replicas[key].take(found)
    return None


def _first_error(answers: Sequence[Any]) -> ResponseError | None:
    return next((answer for answer in answers if isinstance(answer, ResponseError)), None)


def connect(url: str) -> Redis:
    """A client that waits ``CHAT["REDIS_TIMEOUT"]`` at most and repeats nothing: a tick is repeated as a whole."""
    wait = conf.redis_timeout
    client: Redis = Redis.from_url(
        url, protocol=2, socket_timeout=wait, socket_connect_timeout=wait, retry=Retry(NoBackoff(), 0)
    )
    return client


def shown(url: str) -> str:
    """The address of a Redis without its password, for the log."""
    parts = urlsplit(url)
    return f"Redis at {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
