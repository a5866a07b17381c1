"""Faults done to a site, one after the other, each with its end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from tests.faults.network import Network
from tests.faults.services import RedisServer
from tests.faults.site import Site
from tests.faults.soak.people import Person

PAUSE = 4.0
"""How long most faults last, in seconds."""


class Harm:
    """The faults of a round. The first round kills and restarts the first process, later rounds always the second:
    so one of them lives long enough for its memory to be watched.
    """

    def __init__(self, site: Site, redis: RedisServer, doors: Sequence[Network], people: Sequence[Person]) -> None:
        self._site = site
        self._redis = redis
        self._doors = doors
        self._people = people
        self._rounds = 0

    async def one_after_the_other(self) -> AsyncIterator[tuple[str, Callable[[], Awaitable[None]]]]:
        """Yield the faults endlessly, each as a name and the coroutine function that causes and ends it."""
        while True:
            for fault in (
                self.kill_process,
                self.cut_all_sockets,
                self.kill_redis,
                self.restart_process,
                self.restart_postgres,
                self.freeze_redis,
                self.fail_upstream,
            ):
                yield fault.__name__.replace("_", " "), fault
            self._rounds += 1

    async def kill_process(self) -> None:
        process = self._site[min(self._rounds, 1)]
        process.kill()
        await asyncio.sleep(PAUSE)
        await asyncio.to_thread(process.start)

    async def restart_process(self) -> None:
        await asyncio.to_thread(self._site[min(self._rounds, 1)].restart)

    async def cut_all_sockets(self) -> None:
        for door in self._doors:
            door.reset()

    async def kill_redis(self) -> None:
        self._redis.kill()
        await asyncio.sleep(PAUSE)
        await asyncio.to_thread(self._redis.start)

    async def freeze_redis(self) -> None:
        self._redis.pause()
        await asyncio.sleep(PAUSE)
        self._redis.resume()

    async def restart_postgres(self) -> None:
        server = self._site.database.server  # type: ignore[attr-defined]
        await asyncio.to_thread(server.stop)
        await asyncio.sleep(PAUSE)
        await asyncio.to_thread(server.start)

    async def fail_upstream(self) -> None:
        for person in self._people:
            person.failing = True
        await asyncio.sleep(PAUSE)
        for person in self._people:
            person.failing = False
