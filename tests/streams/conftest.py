"""The streams to test: in memory, and shared through a real Redis, read here or in another process."""

import contextlib

import pytest

from chat.streams.memory import MemoryStreams
from chat.streams.redis.streams import RedisStreams


class Elsewhere:
    """The streams of one process as another process reads them: opened here, followed there."""

    def __init__(self, here: RedisStreams, there: RedisStreams) -> None:
        self.here = here
        self.there = there

    def open(self, answer):
        return self._joined(answer, self.here.open(answer))

    def get(self, answer):
        stream = self.here.get(answer)
        return stream and stream.joined

    def discard(self, answer):
        self.here.discard(answer)

    def _joined(self, answer, stream):
        stream.joined = Joined(stream, self.there.replica(answer))
        return stream.joined


class Joined:
    """Appends to a stream, and follows its replica."""

    def __init__(self, stream, replica) -> None:
        self.stream = stream
        self.replica = replica

    def __getattr__(self, name):
        return getattr(self.replica if name == "follow" else self.stream, name)


@pytest.fixture
async def redis_streams(redis_server, settings):
    """Make the shared streams of a process by its name; all processes belong to one site."""
    settings.CHAT = {"REDIS_URL": redis_server.url, "TICK": 0.002, "REDIS_TIMEOUT": 0.5, "STREAM_RETENTION": 5.0}
    async with contextlib.AsyncExitStack() as stack:

        async def make(name: str, stop=lambda answer_id: None) -> RedisStreams:
            streams = RedisStreams()
            await streams.start(name, stop)
            stack.push_async_callback(streams.finish)
            return streams

        yield make


@pytest.fixture(params=["memory", "redis", "redis, read elsewhere"])
async def streams(request, redis_streams):
    if request.param == "memory":
        return MemoryStreams()
    here = await redis_streams("here")
    return here if request.param == "redis" else Elsewhere(here, await redis_streams("there"))
