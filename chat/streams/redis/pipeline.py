"""The one conversation of a process with Redis: a pipeline per tick, bounded waits, and what follows a failure."""

import asyncio
import contextvars
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from ...conf import conf
from .entries import Command

logger = logging.getLogger(__name__)

LONGEST_PAUSE = 1.0
"""Between two tries while Redis does not answer or refuses something, in seconds."""

Request = tuple[Sequence[Command], Callable[[Sequence[Any]], ResponseError | None]]
"""Commands, and who takes what Redis answers to them and returns what it refused."""

BROKEN = (RedisError, OSError, TimeoutError)


class Exchange:
    """Sends what ``requests`` yields, once per tick for as long as there is any.

    ``troubled`` is called with ``True`` when Redis does not answer, and with ``False`` when it does again.
    """

    def __init__(self, url: str, requests: Callable[[], Iterable[Request]], troubled: Callable[[bool], None]) -> None:
        parts = urlsplit(url)
        self.address = f"Redis at {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        self.reached = False
        """Whether Redis has ever answered."""
        self.failing = False
        """Whether it did not answer when it was last asked."""
        self._requests = requests
        self._troubled = troubled
        self._refused = False
        self._finishing = False
        self._idle = False
        self._work = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        wait = conf.redis_timeout
        # Nothing is repeated down there: a tick is repeated as a whole.
        self._redis: Redis = Redis.from_url(
            url, protocol=2, socket_timeout=wait, socket_connect_timeout=wait, retry=Retry(NoBackoff(), 0)
        )

    async def start(self) -> None:
        """Ask whether Redis is there, and begin to tick, whatever it says."""
        await self.ask([("PING",)])
        self._task = asyncio.get_running_loop().create_task(self._tick_forever(), context=contextvars.Context())

    def wake(self) -> None:
        """Say that there is something to send."""
        self._work.set()

    async def ask(self, commands: Iterable[Command]) -> list[Any] | None:
        """What Redis answers to some commands, refusals as exceptions among it; ``None`` where it does not answer."""
        pipe = self._redis.pipeline(transaction=False)
        for command in commands:
            pipe.execute_command(*command)
        try:
            answers: list[Any] = await pipe.execute(raise_on_error=False)
        except BROKEN as error:
            self._fail(error)
            return None
        self._recover()
        return answers

    async def finish(self) -> None:
        """Send what is left, for no longer than one wait for Redis, and close the connections."""
        self._finishing = True
        self.wake()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=conf.redis_timeout)
            while not self._task.done():  # redis-py may take a cancellation for a connection that broke
                self._task.cancel()
                await asyncio.wait([self._task], timeout=conf.tick)
        await self._redis.aclose()

    async def _tick_forever(self) -> None:
        loop, pause = asyncio.get_running_loop(), conf.tick
        while not (self._finishing and self._idle):
            await self._work.wait()
            began = loop.time()
            try:
                await self._tick()
            except Exception:  # a bug of ours, which must not end the exchange of all logs
                logger.exception("A tick failed.")
            pause = min(2 * pause, LONGEST_PAUSE) if self.failing or self._refused else conf.tick
            await asyncio.sleep(max(pause - (loop.time() - began), pause / 4))

    async def _tick(self) -> None:
        requests = list(self._requests())
        self._idle = not requests
        if self._idle and not self._finishing and not self.failing:
            self._work.clear()
            return
        answers = await self.ask([*(command for commands, _ in requests for command in commands), ("PING",)])
        if answers is None:
            return
        left = iter(answers)
        refused = [take([next(left) for _ in commands]) for commands, take in requests]
        self._note(next(filter(None, refused), None))

    def _note(self, refusal: ResponseError | None) -> None:
        if refusal is not None and not self._refused:
            logger.error("%s refuses what it is sent (%s): answers go on, and it is sent again.", self.address, refusal)
        elif refusal is None and self._refused:
            logger.warning("%s refuses nothing more.", self.address)
        self._refused = refusal is not None

    def _fail(self, error: Exception) -> None:
        if not self.failing:
            logger.error(
                "%s does not answer (%s): answers go on, but only their own process can show them.", self.address, error
            )
        self.failing = True
        self.wake()
        self._troubled(True)

    def _recover(self) -> None:
        if self.failing:
            logger.warning("%s answers again.", self.address)
            self.failing = False
            self._troubled(False)
        self.reached = True
