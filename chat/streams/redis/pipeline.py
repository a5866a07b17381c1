"""All traffic of a process with Redis: one pipeline per tick, bounded waits, and retries after a failure."""

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
"""The longest pause between two tries while Redis does not answer or refuses something, in seconds."""

Request = tuple[Sequence[Command], Callable[[Sequence[Any]], ResponseError | None]]
"""Commands, and a function that takes Redis's replies to them and returns its refusal, if there is one."""

BROKEN = (RedisError, OSError, TimeoutError)


class Exchange:
    """Sends the commands that ``requests`` yields, once per tick, as long as there are any.

    It calls ``troubled`` with ``True`` when Redis does not answer, and with ``False`` when it answers again.
    """

    def __init__(self, url: str, requests: Callable[[], Iterable[Request]], troubled: Callable[[bool], None]) -> None:
        parts = urlsplit(url)
        self.address = f"Redis at {parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        self.reached = False
        """Whether Redis has ever answered."""
        self.failing = False
        """Whether Redis did not answer the last time."""
        self._requests = requests
        self._troubled = troubled
        self._refused = False
        self._finishing = False
        self._idle = False
        self._work = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        wait = conf.redis_timeout
        # No retries inside redis-py: a failed tick is repeated as a whole.
        self._redis: Redis = Redis.from_url(
            url, protocol=2, socket_timeout=wait, socket_connect_timeout=wait, retry=Retry(NoBackoff(), 0)
        )

    async def start(self) -> None:
        """Ping Redis, and start ticking whether or not it answers."""
        await self.ask([("PING",)])
        self._task = asyncio.get_running_loop().create_task(self._tick_forever(), context=contextvars.Context())

    def wake(self) -> None:
        """Report that there is something to send."""
        self._work.set()

    async def ask(self, commands: Iterable[Command]) -> list[Any] | None:
        """Send commands in one pipeline, and return Redis's replies; ``None`` if it does not answer.

        A reply to a refused command is a ``ResponseError``.
        """
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
        """Send what is left, for at most ``CHAT["REDIS_TIMEOUT"]``, and close the connections."""
        self._finishing = True
        self.wake()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=conf.redis_timeout)
            while not self._task.done():  # redis-py may mistake a cancellation for a broken connection
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
            except Exception:  # a bug in the app, which must not end the exchange of all streams
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
            logger.error("%s refuses commands (%s): answers continue, and it gets them again.", self.address, refusal)
        elif refusal is None and self._refused:
            logger.warning("%s accepts all commands again.", self.address)
        self._refused = refusal is not None

    def _fail(self, error: Exception) -> None:
        if not self.failing:
            logger.error(
                "%s does not answer (%s): answers continue, but only their own process can show them.",
                self.address,
                error,
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
