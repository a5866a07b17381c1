"""The contract of streams, wherever they keep their chunks."""

import asyncio

import pytest

from chat.chunks import Finish
from chat.parts import TextDelta
from chat.streams.base import LostStreamError, StreamKey


def delta(number):
    return TextDelta("0", str(number))


async def read(stream, after=-1):
    """Read a whole closed stream as pairs of number and chunk."""
    return [(first + i, chunk) async for first, batch in stream.follow(after) for i, chunk in enumerate(batch)]


async def test_a_reader_gets_every_chunk_in_order_with_its_number(streams):
    stream = streams.open(StreamKey(1))
    for number in range(3):
        stream.append(delta(number))
    stream.close()
    assert await read(stream) == [(number, delta(number)) for number in range(3)]


async def test_a_reader_that_joins_first_gets_the_chunks_that_are_appended_later(streams):
    stream = streams.open(StreamKey(1))
    reading = asyncio.create_task(read(stream))
    for number in range(20):
        stream.append(delta(number))
        if number % 3 == 0:
            await asyncio.sleep(0)
    stream.append(Finish("stop"))
    stream.close()
    assert [number for number, _ in await reading] == list(range(21))


async def test_readers_at_different_places_do_not_disturb_each_other(streams):
    stream = streams.open(StreamKey(1))
    stream.append(delta(0))
    early = asyncio.create_task(read(stream))
    await asyncio.sleep(0)
    stream.append(delta(1))
    late = asyncio.create_task(read(stream, after=0))
    await asyncio.sleep(0)
    stream.append(delta(2))
    stream.close()
    assert [number for number, _ in await early] == [0, 1, 2]
    assert [number for number, _ in await late] == [1, 2]


@pytest.mark.parametrize("after", [3, 99, -5])
async def test_a_number_that_the_stream_never_reached_gives_everything(streams, after):
    stream = streams.open(StreamKey(1))
    for number in range(3):
        stream.append(delta(number))
    stream.close()
    assert [number for number, _ in await read(stream, after)] == [0, 1, 2]


async def test_a_reader_that_has_everything_ends_with_the_stream(streams):
    stream = streams.open(StreamKey(1))
    stream.append(delta(0))
    reading = asyncio.create_task(read(stream, after=0))
    await asyncio.sleep(0)
    stream.close()
    assert await reading == []


async def test_a_reader_that_is_cancelled_leaves_the_others_alone(streams):
    stream = streams.open(StreamKey(1))
    leaving, staying = asyncio.create_task(read(stream)), asyncio.create_task(read(stream))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait([leaving])
    stream.append(delta(0))
    stream.close()
    assert [number for number, _ in await staying] == [0]


async def test_a_closed_stream_accepts_no_chunk(streams):
    stream = streams.open(StreamKey(1))
    stream.close()
    stream.close()
    assert stream.closed
    with pytest.raises(ValueError, match="closed"):
        stream.append(delta(0))


async def test_a_key_is_opened_once_and_found_until_it_is_discarded(streams):
    stream = streams.open(StreamKey(1))
    with pytest.raises(ValueError, match="already"):
        streams.open(StreamKey(1))
    assert streams.get(StreamKey(1)) is stream
    assert streams.get(StreamKey(2)) is None
    streams.discard(StreamKey(1))
    streams.discard(StreamKey(1))
    assert streams.get(StreamKey(1)) is None


async def test_each_run_of_an_answer_has_a_stream_of_its_own(streams):
    first = streams.open(StreamKey(1))
    first.append(delta(0))
    first.append(Finish("tool-calls"))
    first.close()
    assert await read(first) == [(0, delta(0)), (1, Finish("tool-calls"))]
    second = streams.open(StreamKey(1, 1))
    reading = asyncio.create_task(read(second))
    for number in (5, 6, 7):
        second.append(delta(number))
    second.close()
    assert await reading == [(0, delta(5)), (1, delta(6)), (2, delta(7))]
    assert await read(first) == [(0, delta(0)), (1, Finish("tool-calls"))]
    streams.discard(StreamKey(1))
    assert streams.get(StreamKey(1, 1)) is second


async def test_the_readers_of_a_stream_that_is_given_up_get_an_error(streams):
    stream = streams.open(StreamKey(1))
    stream.append(delta(0))
    stream.give_up()
    got = []
    with pytest.raises(LostStreamError):
        async for first, batch in stream.follow():
            got += [first, *batch]
    assert got == [0, delta(0)]
    assert stream.closed


async def test_a_complete_stream_cannot_be_given_up(streams):
    stream = streams.open(StreamKey(1))
    stream.append(Finish("stop"))
    stream.close()
    stream.give_up()
    assert await read(stream) == [(0, Finish("stop"))]


async def test_the_end_of_a_stream_can_be_waited_for(streams):
    stream = streams.open(StreamKey(1))
    assert not await stream.closed_within(0.001)
    waiting = asyncio.create_task(stream.closed_within(10))
    await asyncio.sleep(0)
    stream.append(Finish("stop"))
    stream.close()
    assert await waiting
    assert await stream.closed_within(10)


class Taking:
    """A reader that takes chunks at once, as many as it has room for."""

    def __init__(self, room=99):
        self.room = room
        self.taken = []

    def __call__(self, first, chunks):
        taken = chunks[: self.room]
        self.taken += enumerate(taken, first)
        self.room -= len(taken)
        return len(taken)


async def following(stream, take):
    """Read a stream with a reader that takes what it can; return what was yielded, when the reader waits for more."""
    yielded = []

    async def follow():
        async for first, batch in stream.follow(-1, take):
            yielded.extend(enumerate(batch, first))

    task = asyncio.create_task(follow())
    await asyncio.sleep(0)
    return task, yielded


async def test_what_a_waiting_reader_takes_at_once_is_not_yielded(streams):
    stream, take = streams.open(StreamKey(1)), Taking()
    task, yielded = await following(stream, take)
    for number in range(10):
        stream.append(delta(number))
        await asyncio.sleep(0.005 if number == 5 else 0)
    stream.close()
    await task
    assert sorted(yielded + take.taken) == [(number, delta(number)) for number in range(10)]
    assert len(take.taken) >= 5


async def test_what_a_reader_has_no_room_for_is_yielded_in_order(streams):
    stream, take = streams.open(StreamKey(1)), Taking(room=4)
    task, yielded = await following(stream, take)
    for number in range(10):
        stream.append(delta(number))
    stream.append(Finish("stop"))
    stream.close()
    await task
    taken, rest = [number for number, _ in take.taken], [number for number, _ in yielded]
    assert sorted(taken + rest) == list(range(11))
    assert (taken, rest) == (sorted(taken), sorted(rest))


async def test_a_reader_that_fails_to_take_is_woken_and_the_writer_and_others_go_on(streams, caplog):
    def fail(first, chunks):
        raise ValueError("cannot be encoded")

    stream, other = streams.open(StreamKey(1)), Taking()
    failing, yielded = await following(stream, fail)
    sound, rest = await following(stream, other)
    for number in range(3):
        stream.append(delta(number))
    stream.close()
    await asyncio.gather(failing, sound)
    assert [number for number, _ in yielded] == [0, 1, 2]
    assert [number for number, _ in sorted(other.taken + rest)] == [0, 1, 2]


async def test_a_reader_that_has_left_is_not_given_anything(streams):
    stream, take = streams.open(StreamKey(1)), Taking()
    task, _ = await following(stream, take)
    task.cancel()
    await asyncio.wait([task])
    stream.append(delta(0))
    stream.close()
    await read(stream)
    assert take.taken == []
