"""Streams that processes share through a real Redis, which loses data, refuses commands or does not answer."""

import asyncio
import socket
import time

import pytest
from redis.exceptions import ResponseError

from chat.chunks import Error, Finish, Start
from chat.parts import TextDelta, TextStart
from chat.streams.base import LostStreamError, StreamKey
from chat.streams.redis import entries
from chat.streams.redis.streams import RedisStreams
from tests.streams.test_contract import delta, read
from tests.support.upstream import eventually

KEY = entries.stream_key("llm_chat", StreamKey(1))


def entry_ids(redis_server, key=KEY):
    """Return the ids of a stream's entries."""
    with redis_server.client() as client:
        return [entry.decode() for entry, _ in client.xrange(key)]


async def stored_entries(redis_server, count):
    await eventually(lambda: len(entry_ids(redis_server)) == count)


async def test_chunks_have_ids_that_count_from_one(redis_streams, redis_server):
    stream = (await redis_streams("here")).open(StreamKey(1))
    for number in range(3):
        stream.append(delta(number))
    await stored_entries(redis_server, 3)
    assert entry_ids(redis_server) == ["0-1", "0-2", "0-3"]


async def test_the_runs_of_an_answer_are_kept_apart(redis_streams, redis_server):
    here, there = await redis_streams("here"), await redis_streams("there")
    first = here.open(StreamKey(1))
    first.append(delta(0))
    first.append(Finish("tool-calls"))
    first.close()
    await stored_entries(redis_server, 2)
    second = there.open(StreamKey(1, 1))
    second.append(delta(5))
    key = entries.stream_key("llm_chat", StreamKey(1, 1))
    await eventually(lambda: entry_ids(redis_server, key) == ["0-1"])
    assert entry_ids(redis_server) == ["0-1", "0-2"]
    second.close()
    assert await read(here.replica(StreamKey(1, 1))) == [(0, delta(5))]


async def test_a_stream_expires_some_time_after_its_end_and_not_before(redis_streams, redis_server):
    stream = (await redis_streams("here")).open(StreamKey(1))
    stream.append(delta(0))
    await stored_entries(redis_server, 1)
    with redis_server.client() as client:
        assert client.ttl(KEY) > 3600
        stream.append(Finish("stop"))
        stream.close()
        await eventually(lambda: 0 < client.ttl(KEY) <= 5)


async def test_a_redis_that_comes_back_empty_gets_the_whole_stream_again(redis_streams, redis_server, caplog):
    here, there = await redis_streams("here"), await redis_streams("there")
    stream = here.open(StreamKey(1))
    reading = asyncio.create_task(read(there.replica(StreamKey(1))))
    for number in range(3):
        stream.append(delta(number))
    await stored_entries(redis_server, 3)
    redis_server.kill()
    stream.append(delta(3))
    await eventually(lambda: "does not answer" in caplog.text)
    redis_server.start()
    stream.append(Finish("stop"))
    stream.close()
    assert [number for number, _ in await asyncio.wait_for(reading, 10)] == [0, 1, 2, 3, 4]
    assert entry_ids(redis_server) == ["0-1", "0-2", "0-3", "0-4", "0-5"]


async def test_a_redis_that_was_emptied_while_running_gets_the_whole_stream_again(redis_streams, redis_server):
    stream = (await redis_streams("here")).open(StreamKey(1))
    stream.append(delta(0))
    await stored_entries(redis_server, 1)
    redis_server.empty()
    stream.append(delta(1))
    await stored_entries(redis_server, 2)
    assert entry_ids(redis_server) == ["0-1", "0-2"]


async def test_readers_elsewhere_are_delayed_while_redis_does_not_answer(redis_streams, redis_server):
    here, there = await redis_streams("here"), await redis_streams("there")
    stream, replica = here.open(StreamKey(1)), there.replica(StreamKey(1))
    batches = replica.follow()
    stream.append(delta(0))
    assert await anext(batches) == (0, [delta(0)])
    redis_server.pause()
    assert (await anext(batches)).chunks == []
    assert replica.delayed
    redis_server.resume()
    assert (await anext(batches)).chunks == []
    assert not replica.delayed
    stream.append(delta(1))
    assert await anext(batches) == (1, [delta(1)])
    await batches.aclose()


async def test_a_stream_that_redis_has_no_room_for_is_written_when_there_is_room_again(
    redis_streams, redis_server, caplog
):
    stream = (await redis_streams("here")).open(StreamKey(1))
    stream.append(delta(0))
    await stored_entries(redis_server, 1)
    redis_server.fill_up()
    stream.append(delta(1))
    await eventually(lambda: "maxmemory" in caplog.text)
    stream.append(delta(2))
    for _ in range(3):  # on each tick the process compares with Redis, and Redis refuses the missing entries again
        await asyncio.sleep(0.05)
    redis_server.make_room()
    await stored_entries(redis_server, 3)
    await eventually(lambda: "accepts all commands again" in caplog.text)
    assert caplog.text.count("refuses commands") == 1


async def test_a_stream_with_a_gap_is_written_again_and_its_readers_miss_nothing(redis_streams, redis_server):
    here, there = await redis_streams("here"), await redis_streams("there")
    stream = here.open(StreamKey(1))
    reading = asyncio.create_task(read(there.replica(StreamKey(1))))
    stream.append(delta(0))
    await stored_entries(redis_server, 1)
    with redis_server.client() as client:  # as if Redis had refused the second entry and taken the third
        client.execute_command(*entries.add(KEY, 2, delta(2)))
    stream.append(delta(1))
    stream.append(delta(2))
    stream.append(Finish("stop"))
    stream.close()
    assert [number for number, _ in await asyncio.wait_for(reading, 10)] == [0, 1, 2, 3]


async def test_a_stream_that_another_database_left_behind_is_replaced(redis_streams, redis_server):
    with redis_server.client() as client:
        for number in range(5):
            client.execute_command(*entries.add(KEY, number, TextDelta("0", "old")))
    stream = (await redis_streams("here")).open(StreamKey(1))
    stream.append(Start("a-new"))
    await stored_entries(redis_server, 1)


async def test_a_stream_that_is_taken_over_accepts_nothing_more_from_its_writer(redis_streams, redis_server):
    here, there = await redis_streams("here"), await redis_streams("there")
    stream = here.open(StreamKey(1))
    stream.append(TextStart("0"))
    stream.append(delta(0))
    await stored_entries(redis_server, 2)
    held = await there.take_over(StreamKey(1))
    assert held == [TextStart("0"), delta(0)]
    stream.append(delta(1))
    stream.append(delta(2))
    with redis_server.client() as client, pytest.raises(ResponseError, match="equal or smaller"):
        client.execute_command(*entries.add(KEY, 2, delta(1)))
    await there.conclude(StreamKey(1), len(held), [Error("interrupted")])
    await eventually(lambda: stream.mirrored)
    assert entry_ids(redis_server) == ["0-1", "0-2", "1-0", "1-3"]
    assert [chunk for _, chunk in await read(there.replica(StreamKey(1)))] == [*held, Error("interrupted")]


async def test_two_processes_that_take_over_a_stream_at_once_end_it_once(redis_streams, redis_server):
    here, first, second = await redis_streams("here"), await redis_streams("first"), await redis_streams("second")
    stream = here.open(StreamKey(1))
    stream.append(delta(0))
    await stored_entries(redis_server, 1)
    assert await first.take_over(StreamKey(1)) == await second.take_over(StreamKey(1)) == [delta(0)]
    for streams in (first, second):
        await streams.conclude(StreamKey(1), 1, [Error("interrupted")])
    assert entry_ids(redis_server) == ["0-1", "1-0", "1-2"]


async def test_a_stream_that_does_not_exist_cannot_be_taken_over(redis_streams):
    assert await (await redis_streams("here")).take_over(StreamKey(7)) is None


async def test_a_stop_reaches_the_process_that_makes_the_answer(redis_streams):
    stopped = []
    here, there = await redis_streams("here", stopped.append), await redis_streams("there")
    here.open(StreamKey(1)).append(delta(0))
    there.stop("here", 1)
    await eventually(lambda: stopped == [1])


async def test_a_replica_whose_answer_has_ended_is_completed_or_given_up(redis_streams):
    there = await redis_streams("there")
    whole, lost = there.replica(StreamKey(1)), there.replica(StreamKey(2))
    reading, losing = asyncio.create_task(read(whole)), asyncio.create_task(read(lost))
    await eventually(lambda: sorted(there.replicas) == [StreamKey(1), StreamKey(2)])
    there.complete(StreamKey(1), lambda held: [delta(0), Finish("stop")])
    there.complete(StreamKey(2), lambda held: None)
    assert [chunk for _, chunk in await reading] == [delta(0), Finish("stop")]
    with pytest.raises(LostStreamError):
        await losing
    assert there.replicas == []


async def test_a_replica_without_readers_is_not_read(redis_streams):
    here, there = await redis_streams("here"), await redis_streams("there")
    stream = here.open(StreamKey(1))
    reading = asyncio.create_task(read(there.replica(StreamKey(1))))
    await eventually(lambda: there.replicas == [StreamKey(1)])
    reading.cancel()
    await asyncio.wait([reading])
    assert there.replicas == []
    stream.append(Finish("stop"))
    stream.close()
    assert await read(there.replica(StreamKey(1))) == [(0, Finish("stop"))]


async def test_a_redis_that_starts_later_than_the_process_is_found(redis_streams, redis_server, caplog):
    redis_server.kill()
    streams = await redis_streams("here")
    assert not streams.reached
    redis_server.start()
    await eventually(lambda: streams.reached)
    assert "answers again" in caplog.text


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1/0", "redis://me:secret@127.0.0.1:1/0"])
async def test_a_redis_that_does_not_answer_at_the_start_is_logged_at_once(settings, caplog, url):
    settings.CHAT = {"REDIS_URL": url, "REDIS_TIMEOUT": 0.5}
    streams = RedisStreams()
    began = time.monotonic()
    await streams.start("here", print)
    assert time.monotonic() - began < 5
    assert "Redis at redis://127.0.0.1:1/0 does not answer" in caplog.text
    assert "secret" not in caplog.text
    assert not streams.reached
    await streams.finish()


async def test_the_wait_for_a_redis_that_accepts_and_never_answers_is_limited(settings, caplog):
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings.CHAT = {"REDIS_URL": f"redis://127.0.0.1:{server.getsockname()[1]}/0", "REDIS_TIMEOUT": 0.2}
        streams = RedisStreams()
        began = time.monotonic()
        await streams.start("here", print)
        streams.open(StreamKey(1)).append(delta(0))
        await streams.finish()
        assert time.monotonic() - began < 5
        assert "could not be written" in caplog.text
