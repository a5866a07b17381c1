"""Attacks by one visitor, which other visitors must not notice."""

import asyncio
from contextlib import ExitStack

import psutil
import pytest

from tests.faults import pace
from tests.faults.attacks import CONTINUATION, PING, TEXT, bare_socket, closed_with, flooding, frame, pinging
from tests.faults.conftest import warm
from tests.faults.promises import MEGABYTE, eventually
from tests.faults.visitor import Visitor, asking

FLOODS = {
    "empty frames": frame(b""),
    "pings": frame(b"", PING),
    "fragments": frame(b"", CONTINUATION, final=False),
    "requests": frame(b'{"type":"ping","requestId":"a"}'),
}


@pytest.fixture(scope="module")
def site(making_sites):
    """Provide a site of one process with the default limits."""
    with making_sites() as make:
        site = make()
        site.add(FRAME_RATE=20.0, FRAME_TIMEOUT=2.0, MAX_SOCKETS_PER_OWNER=10, MAX_SOCKETS_PER_ADDRESS=12)
        asyncio.run(warm(site))
        yield site


@pytest.fixture
async def cookie(site):
    async with Visitor.of(site[0]) as visitor:
        yield visitor.cookie


async def test_a01_a_long_line_of_addresses_ends_no_process_while_it_grows_or_when_its_page_is_opened(site):
    async with Visitor.of(site[0]) as visitor:
        tab = await visitor.open(site[0].port, "html")
        answer = await tab.ask(asking("addresses:30000"))
        await answer.ended()
        page = await visitor.load(site[0].port, answer.chat)
    assert site.message(answer.uid).status == "complete"
    assert site.message(answer.uid).text.count("a@b.c") == 30_000
    assert "".join(page.blocks(answer.uid)).count("a@b.c</a>") == 100
    assert site[0].alive


@pytest.mark.parametrize("count", [1, 4] if pace.REAL_TIME else [4])
@pytest.mark.parametrize("flood", FLOODS)
async def test_a04_a_flood_of_frames_after_a_bad_one_is_not_noticed_by_others(site, cookie, flood, count):
    with ExitStack() as stack:
        sockets = [stack.enter_context(bare_socket(site[0], cookie)) for _ in range(count)]
        first = frame(b"x", TEXT, final=False) if flood == "fragments" else frame(b"not a valid frame")
        async with pinging(site[0]) as pings:
            with flooding(sockets, first, FLOODS[flood]):
                await eventually(lambda: len(pings.times) >= 40, "the pings did not come back", wait=60)
    pings.assert_unnoticed()


async def test_a04_a_flood_after_a_good_frame_is_read_at_the_servers_pace(site, cookie):
    with bare_socket(site[0], cookie) as connection:
        async with pinging(site[0]) as pings:
            with flooding([connection], FLOODS["requests"], FLOODS["requests"]):
                await eventually(lambda: len(pings.times) >= 40, "the pings did not come back", wait=60)
    pings.assert_unnoticed()


async def test_a04_sockets_of_an_owner_beyond_the_limit_are_refused(site, cookie):
    with ExitStack() as stack:
        sockets = [stack.enter_context(bare_socket(site[0], cookie)) for _ in range(11)]
        assert await asyncio.to_thread(closed_with, sockets[-1]) == 4429
        sockets[0].sendall(frame(b"not a valid frame"))
        assert await asyncio.to_thread(closed_with, sockets[0]) == 4400
        later = stack.enter_context(bare_socket(site[0], cookie))
        later.sendall(frame(b'{"type":"ping","requestId":"a"}'))
        assert b"pong" in await asyncio.to_thread(later.recv, 4_096)


async def test_a04_sockets_of_a_public_address_beyond_the_limit_are_refused(site):
    with ExitStack() as stack:
        sockets = []
        for _ in range(13):
            async with Visitor.of(site[0]) as visitor:
                forwarded = {"X-Forwarded-For": "9.9.9.9"}
                sockets.append(stack.enter_context(bare_socket(site[0], visitor.cookie, **forwarded)))
        assert await asyncio.to_thread(closed_with, sockets[-1]) == 4429


@pytest.mark.parametrize("fragments", [False, True], ids=["one frame", "fragments"])
async def test_a10_an_endless_frame_is_dropped_and_its_memory_freed(site, cookie, fragments):
    server = psutil.Process(site[0].process.pid)
    part = b"x" * 7 * MEGABYTE
    begun = frame(part, final=False) if fragments else frame(part, length=8 * MEGABYTE)
    with ExitStack() as stack:
        sockets = [stack.enter_context(bare_socket(site[0], cookie)) for _ in range(10)]
        before = server.memory_info().rss
        async with pinging(site[0]) as pings:
            for connection in sockets:
                await asyncio.to_thread(connection.sendall, begun)
            for connection in sockets:
                await asyncio.to_thread(closed_with, connection)
            await eventually(lambda: server.memory_info().rss - before < 5 * MEGABYTE, "memory was kept", wait=30)
    pings.assert_unnoticed()


@pytest.mark.parametrize("row", ["|a|b|", "|several_words|and_*some*_`more`_of_them|12345|"], ids=["tiny", "words"])
async def test_a08_long_tables_are_rendered_without_others_noticing(site, row):
    async with Visitor.of(site[0]) as attacker:
        tab = await attacker.open(site[0].port, "html")
        async with pinging(site[0]) as pings:
            answers = [await tab.ask(asking(f"table:199000:{row}")) for _ in range(5)]
            await eventually(lambda: len(pings.times) >= 100, "the pings did not come back", wait=60)
            ended = [site.stored(answer.chat)[-1].status for answer in answers]
    assert ended == ["complete"] * 5
    pings.assert_unnoticed()
