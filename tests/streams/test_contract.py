"""What every log must do, whatever it keeps its chunks in."""

import asyncio

import pytest

from chat.chunks import Finish, TextDelta
from chat.streams.base import LostLogError


def delta(number):
    return TextDelta("0", str(number))


async def read(log, after=-1):
    """All of a closed log, as (number, chunk)."""
    return [(first + i, chunk) async for first, batch in log.follow(after) for i, chunk in enumerate(batch)]


async def test_a_reader_gets_every_chunk_in_order_with_its_number(logs):
    log = logs.open(1)
    for number in range(3):
        log.append(delta(number))
    log.close()
    assert await read(log) == [(number, delta(number)) for number in range(3)]


async def test_a_reader_that_came_first_gets_what_is_appended_later(logs):
    log = logs.open(1)
    reading = asyncio.create_task(read(log))
    for number in range(20):
        log.append(delta(number))
        if number % 3 == 0:
            await asyncio.sleep(0)
    log.append(Finish("stop"))
    log.close()
    assert [number for number, _ in await reading] == list(range(21))


async def test_readers_at_different_places_do_not_disturb_each_other(logs):
    log = logs.open(1)
    log.append(delta(0))
    early = asyncio.create_task(read(log))
    await asyncio.sleep(0)
    log.append(delta(1))
    late = asyncio.create_task(read(log, after=0))
    await asyncio.sleep(0)
    log.append(delta(2))
    log.close()
    assert [number for number, _ in await early] == [0, 1, 2]
    assert [number for number, _ in await late] == [1, 2]


@pytest.mark.parametrize("after", [3, 99, -5])
async def test_a_number_that_the_log_never_reached_gives_everything(logs, after):
    log = logs.open(1)
    for number in range(3):
        log.append(delta(number))
    log.close()
    assert [number for number, _ in await read(log, after)] == [0, 1, 2]


async def test_a_reader_that_has_everything_ends_with_the_log(logs):
    log = logs.open(1)
    log.append(delta(0))
    reading = asyncio.create_task(read(log, after=0))
    await asyncio.sleep(0)
    log.close()
    assert await reading == []


async def test_a_reader_that_is_cancelled_leaves_the_others_alone(logs):
    log = logs.open(1)
    leaving, staying = asyncio.create_task(read(log)), asyncio.create_task(read(log))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.wait([leaving])
    log.append(delta(0))
    log.close()
    assert [number for number, _ in await staying] == [0]


async def test_a_closed_log_takes_no_chunk(logs):
    log = logs.open(1)
    log.close()
    log.close()
    assert log.closed
    with pytest.raises(ValueError, match="closed"):
        log.append(delta(0))


async def test_a_key_is_opened_once_and_found_until_it_is_discarded(logs):
    log = logs.open(1)
    with pytest.raises(ValueError, match="already"):
        logs.open(1)
    assert logs.get(1) is log
    assert logs.get(2) is None
    logs.discard(1)
    logs.discard(1)
    assert logs.get(1) is None


async def test_the_readers_of_a_log_that_is_given_up_are_told(logs):
    log = logs.open(1)
    log.append(delta(0))
    log.give_up()
    got = []
    with pytest.raises(LostLogError):
        async for first, batch in log.follow():
            got += [first, *batch]
    assert got == [0, delta(0)]
    assert log.closed


async def test_a_whole_log_cannot_be_given_up(logs):
    log = logs.open(1)
    log.append(Finish("stop"))
    log.close()
    log.give_up()
    assert await read(log) == [(0, Finish("stop"))]


async def test_the_end_of_a_log_can_be_waited_for(logs):
    log = logs.open(1)
    assert not await log.closed_within(0.001)
    waiting = asyncio.create_task(log.closed_within(10))
    await asyncio.sleep(0)
    log.append(Finish("stop"))
    log.close()
    assert await waiting
    assert await log.closed_within(10)
