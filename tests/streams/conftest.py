"""The logs that are tested: in memory, and shared through a real Redis, read here or by another process."""

import contextlib

import pytest

from chat.streams.memory import MemoryLogs
from chat.streams.redis.streams import RedisLogs


class Elsewhere:
    """The logs of one process as another one reads them: what is opened here is followed there."""

    def __init__(self, here: RedisLogs, there: RedisLogs) -> None:
        self.here = here
        self.there = there

    def open(self, answer):
        return self._joined(answer, self.here.open(answer))

    def get(self, answer):
        log = self.here.get(answer)
        return log and log.joined

    def discard(self, answer):
        self.here.discard(answer)

    def _joined(self, answer, log):
        log.joined = Joined(log, self.there.replica(answer))
        return log.joined


class Joined:
    """Appends to a log, and follows its replica."""

    def __init__(self, log, replica) -> None:
        self.log = log
        self.replica = replica

    def __getattr__(self, name):
        return getattr(self.replica if name == "follow" else self.log, name)


@pytest.fixture
async def redis_logs(redis_server, settings):
    """Make the shared logs of so many processes of one site, each under a name."""
    settings.CHAT = {"REDIS_URL": redis_server.url, "TICK": 0.002, "REDIS_TIMEOUT": 0.5, "LOG_RETENTION": 5.0}
    async with contextlib.AsyncExitStack() as stack:

        async def make(name: str, stop=lambda answer: None) -> RedisLogs:
            logs = RedisLogs()
            await logs.start(name, stop)
            stack.push_async_callback(logs.finish)
            return logs

        yield make


@pytest.fixture(params=["memory", "redis", "redis, read elsewhere"])
async def logs(request, redis_logs):
    if request.param == "memory":
        return MemoryLogs()
    here = await redis_logs("here")
    return here if request.param == "redis" else Elsewhere(here, await redis_logs("there"))
