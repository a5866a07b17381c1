"""F27 to F34: Redis and the database are down, unresponsive, full or locked, and recover."""

import asyncio
import contextlib
import socket
import time
import urllib.error
import urllib.request

import psycopg
import pytest

from tests.faults import pace
from tests.faults.conftest import warm
from tests.faults.promises import (
    POOLS,
    assert_asked,
    assert_plain_errors,
    assert_sent_once,
    assert_shown_as_stored,
    eventually,
    heartbeats_updated,
)
from tests.faults.services import free_port
from tests.faults.visitor import Visitor, asking
from tests.support.behaviours import ANSWER

HANG = 10.0
"""The longest that anything may wait, whatever is broken, in seconds."""

RECOVERY = 4.0
"""How long the return of the database may go unnoticed: psycopg's pool retries after 1 s, and 2 s later."""

REDIS_PY_TIMEOUT = 5.0
"""After this much silence redis-py 8 considers a connection dead, unless configured otherwise (channels_redis #422)."""

POOL_WORKERS = 4
"""The threads that psycopg's pool starts."""

POOL_TIMEOUT = max(1, round(pace.seconds(5)))
SQLITE_TIMEOUT = max(2, round(pace.seconds(20)))
TIMES = {
    "DATABASE_WAIT": max(pace.seconds(10), 1.0),
    "PROCESS_TIMEOUT": max(pace.seconds(30), 6.0),  # longer than a request waits for the pool of connections
    "SAVE_TIMEOUT": max(pace.seconds(30), HANG),
    "FIRST_TOKEN_TIMEOUT": 2 * HANG,
    "DELTA_TIMEOUT": 3 * HANG,
}
"""Timeouts on the model and the database, long enough for one step of a test on a busy machine."""


@pytest.fixture(scope="session")
def two_processes(shared_sites):
    """Provide a site of two processes on Redis and PostgreSQL."""
    site = shared_sites("redis-postgres")
    site.database.url += f"&pool_timeout={POOL_TIMEOUT}"
    for _ in range(2):
        site.add(**TIMES)
    return site


@pytest.fixture
async def site(two_processes, redis_service, postgres_service):
    """Provide the same site, healthy before each test."""
    two_processes.mend()
    await wait_until_ready(two_processes)
    return two_processes


async def wait_until_ready(site):
    """Wait until each process has its database and shows the answers of the others."""
    for process in site.processes:
        await eventually(lambda port=process.port: says(port, "/readyz") == 200, "it does not become ready", wait=30)
    for process, other in zip(site.processes, reversed(site.processes), strict=True):
        async with Visitor.of(process) as visitor:
            tab, reader = await visitor.open(process.port), await visitor.open(other.port, "html")
            answer, call = await gated(site, tab)
            read = await reader.join(answer.chat)
            call.say("Well.")
            await read.until(lambda read=read: "Well." in shown(read))
            call.finish()
            await answer.ended()


def says(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=HANG) as response:
            return response.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


async def gated(site, tab, **more):
    """Ask a question whose answer says what the test makes the model say."""
    answer = await tab.ask(asking("gated"), **more)
    await eventually(lambda: site.upstream.calls_of(answer.question), "the model was not called", wait=HANG)
    await answer.acknowledged()
    return answer, site.upstream.calls_of(answer.question)[0]


async def read_in_both_formats(visitor, answer, *processes):
    """Open readers of an answer, in the text and in the html format on each of the processes."""
    readers = []
    for process in processes:
        for view in ("text", "html"):
            tab = await visitor.open(process.port, view)
            readers.append(await tab.join(answer.chat, answer.question))
            readers[-1].uid = answer.uid
    for reader in readers:
        await reader.until(lambda reader=reader: reader.frames, HANG)
    return readers


def shown(answer):
    """Return what a reader shows: text, or the HTML of the answer's blocks."""
    return answer.text + "".join(block for uid in answer.page.messages for block in answer.page.blocks(uid))


async def show(text, *readers, wait=HANG):
    """Wait until all readers show a text."""
    for reader in readers:
        await reader.until(lambda reader=reader: text in shown(reader), wait)


def statuses(answer):
    """Return the statuses that the html format received, in order."""
    chunks = [frame["chunk"] for frame in answer.frames if frame["type"] == "chunk"]
    return [chunk["data"]["status"] for chunk in chunks if chunk["type"] == "data-status"]


def assert_kept(site, visitor, answer, *readers):
    """Check that the answer is stored and paid for once, all readers show it as stored, and no socket was closed."""
    assert_sent_once(site, answer)
    assert_asked(site.upstream, answer)
    assert_shown_as_stored(site, answer, *readers)
    assert not any(tab.lost for tab in visitor.tabs), "a socket was closed"


async def test_f27_nothing_is_lost_when_redis_is_killed_mid_answer_and_comes_back_empty(site, visitor):
    tab = await visitor.open(site[0].port)
    answer, call = await gated(site, tab)
    readers = await read_in_both_formats(visitor, answer, *site.processes)
    call.say("Before, ")
    await show("Before,", answer, *readers)
    site.redis.kill()
    call.say("meanwhile, ")
    await show("meanwhile,", answer, *readers[:2])
    await asyncio.sleep(pace.seconds(5))
    site.redis.start()
    call.say("after. ")
    await show("after.", answer, *readers)  # elsewhere while it runs, too, so Redis has the whole stream
    late = await read_in_both_formats(visitor, answer, site[1])
    await show("after.", *late)
    call.finish()
    assert {await each.ended() for each in [answer, *readers, *late]} == {"finish"}
    assert site.message(answer.uid).text == "Before, meanwhile, after. "
    assert_kept(site, visitor, answer, *readers, *late)


async def test_f28_nobody_waits_for_a_redis_that_hangs(site, visitor):
    here, there = await visitor.open(site[0].port), await visitor.open(site[1].port)
    answer, call = await gated(site, here)
    doomed, _ = await gated(site, here)
    readers = await read_in_both_formats(visitor, answer, site[1])
    of_doomed = await there.join(doomed.chat)
    of_doomed.uid = doomed.uid
    call.say("Before, ")
    await show("Before,", answer, *readers)
    site.redis.pause()
    began = time.monotonic()
    call.say("meanwhile, ")
    await show("meanwhile,", answer)
    await readers[1].until(lambda: "reconnecting" in statuses(readers[1]), wait=HANG)
    for tab in (here, there):
        assert await (await tab.ask(asking("ok"))).ended(HANG) == "finish"
    resuming = await visitor.open(site[1].port, "html")
    resumed = await resuming.join(answer.chat)
    await resumed.until(lambda: statuses(resumed)[-1:] == ["reconnecting"], wait=HANG)
    async with asyncio.timeout(HANG):
        page = await visitor.load(site[1].port, answer.chat)
    assert list(page.messages) == [answer.message, answer.uid]
    await there.stop(of_doomed)
    assert await doomed.ended(HANG) == "abort"
    assert await of_doomed.ended(HANG) == "abort"
    await asyncio.sleep(began + pace.seconds(20) - time.monotonic())
    site.redis.resume()
    call.say("after. ")
    await show("after.", answer, *readers, resumed)
    assert statuses(readers[1])[-1] == statuses(resumed)[-1] == "waiting"
    call.finish()
    assert {await each.ended() for each in [answer, *readers, resumed]} == {"finish"}
    assert_kept(site, visitor, answer, *readers, resumed)
    assert_shown_as_stored(site, doomed, of_doomed)


async def test_f29_readers_get_the_answer_from_the_database_when_redis_is_out_of_memory(site, visitor):
    tab = await visitor.open(site[0].port)
    answer, call = await gated(site, tab)
    readers = await read_in_both_formats(visitor, answer, site[1])
    call.say("Before, ")
    await show("Before,", answer, *readers)
    site.redis.fill_up()
    call.say("meanwhile.")
    await show("meanwhile.", answer)
    call.finish()
    assert {await each.ended(HANG) for each in [answer, *readers]} == {"finish"}
    assert site.message(answer.uid).text == "Before, meanwhile."
    assert_kept(site, visitor, answer, *readers)
    unstreamed = await tab.ask(asking("paced:20:20"))  # begins and ends while Redis has no memory left
    await unstreamed.acknowledged()
    readers = await read_in_both_formats(visitor, unstreamed, site[1])
    assert {await each.ended(HANG) for each in [unstreamed, *readers]} == {"finish"}
    assert_kept(site, visitor, unstreamed, *readers)


async def test_an_answer_without_redis_from_beginning_to_end_is_kept_and_shown_elsewhere(site, visitor):
    tab = await visitor.open(site[0].port)
    site.redis.kill()
    answer, call = await gated(site, tab)
    readers = await read_in_both_formats(visitor, answer, *site.processes)
    call.say("Alone.")
    await show("Alone.", answer, *readers[:2])
    call.finish()
    began = time.monotonic()
    assert {await each.ended(HANG) for each in [answer, *readers]} == {"finish"}
    assert time.monotonic() - began < max(pace.seconds(10), 3)
    assert not site.redis.answers()
    assert site.message(answer.uid).text == "Alone."
    assert_kept(site, visitor, answer, *readers)


async def test_a_redis_url_that_does_not_answer_at_startup_is_reported_at_once(sites):
    site = sites("redis-sqlite")
    with contextlib.ExitStack() as stack:
        deaf = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        for port in (free_port(), deaf.getsockname()[1]):
            began = time.monotonic()
            process = await asyncio.to_thread(site.add, REDIS_URL=f"redis://:hidden@127.0.0.1:{port}/0")
            stack.callback(process.close)
            sentence = f"Redis at redis://127.0.0.1:{port}/0 does not answer"
            await eventually(lambda process=process, sentence=sentence: sentence in process.log, "silence", wait=HANG)
            assert time.monotonic() - began < HANG
            assert await asyncio.to_thread(says, process.port, "/healthz") == 503
        async with Visitor.of(process) as visitor:
            answer = await (await visitor.open(process.port)).ask(asking("ok"))
            assert await answer.ended(HANG) == "finish"
            assert site.message(answer.uid).text == ANSWER
    assert_plain_errors(site, [answer], ["hidden"])


IN_MEMORY = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}


@pytest.fixture(scope="session")
def sqlite_site(shared_sites):
    """Provide a site of one process, which waits for a locked file as long as a real one, at the scale of this run."""
    site = shared_sites()
    site.database.url += f"?timeout={SQLITE_TIMEOUT}"
    site.add(layers=IN_MEMORY, **TIMES)
    asyncio.run(warm(site))
    return site


@pytest.fixture
def layered_sites(sites, site, one_process, sqlite_site):
    """Provide a running site for each channel layer; without a layer, or with one in memory, it has one process."""
    one_process.mend()
    core = sites("redis-sqlite")
    config = {"hosts": [core.redis.url], "prefix": "core"}
    for _ in range(2):
        core.add(layers={"default": {"BACKEND": "channels_redis.core.RedisChannelLayer", "CONFIG": config}}, **TIMES)
    return {"none": one_process, "in-memory": sqlite_site, "core": core, "pubsub": site}


async def test_f31_silence_closes_no_socket_and_events_still_arrive_after_it(layered_sites):
    async with contextlib.AsyncExitStack() as stack:
        pairs = {}
        for kind, each in layered_sites.items():
            visitor = await stack.enter_async_context(Visitor.of(each[0]))
            pairs[kind] = [await visitor.open(process.port) for process in (each[0], each[-1])]
            await layer_recovers(*pairs[kind])
        await asyncio.sleep(max(pace.seconds(60), REDIS_PY_TIMEOUT + 1))
        for kind, tabs in pairs.items():
            assert not any(tab.lost for tab in tabs), f"with {kind} a socket was closed"
            await event_arrives(*tabs)
            assert not any(tab.lost for tab in tabs)


async def layer_recovers(tab, listener):
    """Wait for the layer to recover from what other tests did to its Redis."""
    async with asyncio.timeout(3 * HANG):
        while not listener.events:
            await (await tab.ask(asking("ok"))).ended()
            with contextlib.suppress(AssertionError):
                await eventually(lambda: len(listener.events) == 2, "not yet", wait=1)


async def event_arrives(tab, listener):
    """Check that one tab receives the events of a question that the other asks."""
    heard = len(listener.events)
    answer = await tab.ask(asking("ok"))
    assert await answer.ended() == "finish"
    await eventually(lambda: len(listener.events) >= heard + 2, "the events did not arrive", wait=3)
    assert [event["event"] for event in listener.events[heard:]] == ["run-started", "run-ended"]
    assert {event["message"] for event in listener.events[heard:]} == {answer.uid}


async def test_f33_a_question_is_refused_without_the_database_and_works_when_it_is_back(site, visitor):
    tabs = [await visitor.open(process.port) for process in site.processes]
    for answer in [await tab.ask(asking("ok")) for tab in tabs for _ in range(20)]:
        await answer.ended()  # the pools are full of connections that are about to break
    await asyncio.to_thread(site.database.server.stop)
    began = time.monotonic()
    refused = [await tab.ask(asking("ok")) for tab in tabs]
    assert {await answer.ended(HANG) for answer in refused} == {"storage"}
    await asyncio.sleep(began + pace.seconds(5) - time.monotonic())
    await asyncio.to_thread(site.database.server.start)
    for tab, answer, process in zip(tabs, refused, site.processes, strict=True):
        await eventually(lambda port=process.port: says(port, "/readyz") == 200, "it did not recover", wait=RECOVERY)
        assert answer.uid is None
        assert site.stored(answer.chat) == []
        assert_asked(site.upstream, answer, times=0)
        answer.code = None
        await tab.send(answer)
        assert await answer.ended(HANG) == "finish"
        assert_kept(site, visitor, answer)
    await heartbeats_updated(site)


async def test_f33_an_answer_that_ends_without_the_database_is_saved_when_it_is_back(site, visitor):
    tab = await visitor.open(site[0].port, "html")
    answer, call = await gated(site, tab)
    readers = await read_in_both_formats(visitor, answer, *site.processes)
    call.say("Before, ")
    await show("Before,", answer, *readers)
    began = time.monotonic()
    await asyncio.to_thread(site.database.server.stop)
    call.say("meanwhile.")
    await show("meanwhile.", answer, *readers)
    call.finish()
    for reader in (answer, *readers):
        await reader.until(lambda reader=reader: statuses(reader)[-1:] == ["saving"], wait=HANG)
        assert not reader.over
    await asyncio.sleep(began + pace.seconds(5) - time.monotonic())
    await asyncio.to_thread(site.database.server.start)
    assert {await each.ended(2 * HANG) for each in [answer, *readers]} == {"finish"}
    stored = site.message(answer.uid)
    assert (stored.status, stored.text) == ("complete", "Before, meanwhile.")
    assert_kept(site, visitor, answer, *readers)
    await heartbeats_updated(site)


@contextlib.contextmanager
def no_connection_left(database):
    """Take all connections of a database's server, so that it has none left."""
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
    with contextlib.ExitStack() as held:
        mine, full = held.enter_context(database.server.connect()), 0
        while full < 10:  # a connection that is closing may still count
            with contextlib.suppress(psycopg.OperationalError):
                held.enter_context(database.server.connect())
                full = 0
                continue
            full = 0 if mine.execute(others, [database.name]).fetchall() else full + 1
            time.sleep(0.01)
        yield


async def test_f34_a_postgres_without_free_connections_is_a_clear_error_in_bounded_time_and_threads_do_not_pile_up(
    site, visitor
):
    server = site.database.server
    await asyncio.to_thread(server.stop)
    await asyncio.to_thread(server.start, 40)
    try:
        await wait_until_ready(site)
        tab = await visitor.open(site[0].port)
        with no_connection_left(site.database):
            began = time.monotonic()
            asked = [await tab.ask(asking("ok")) for _ in range(30)]
            assert {await answer.ended(3 * HANG) for answer in asked} == {"storage"}
            assert time.monotonic() - began < TIMES["DATABASE_WAIT"] + POOL_TIMEOUT + 2
            assert site[0].observed().num_threads() <= POOLS + POOL_WORKERS
            assert await asyncio.to_thread(says, site[0].port, f"/chat/{asked[0].chat}/") == 500
            assert await asyncio.to_thread(says, site[0].port, "/readyz") == 503
        assert not any(site.stored(answer.chat) for answer in asked)
        await eventually(lambda: says(site[0].port, "/readyz") == 200, "the site did not recover", wait=HANG)
        for answer in asked:
            await tab.send(answer)
            assert await answer.ended(HANG) == "finish"
        assert_kept(site, visitor, asked[0])
        await heartbeats_updated(site)
    finally:
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(server.start)


async def test_f34_a_sqlite_that_is_locked_for_a_while_only_delays_answers(sqlite_site):
    site = sqlite_site
    async with Visitor.of(site[0]) as visitor:
        tab = await visitor.open(site[0].port)
        with site.database.locked():
            began = time.monotonic()
            asked = [await tab.ask(asking("ok")) for _ in range(5)]  # the database has eight threads
            page = await visitor.load(site[0].port, asked[0].chat)  # reading does not wait for a writer
            assert not page.messages
            await asyncio.sleep(began + pace.seconds(10) - time.monotonic())
            assert not any(answer.over for answer in asked)
            assert site[0].observed().num_threads() <= POOLS
        assert {await answer.ended() for answer in asked} == {"finish"}
        assert_kept(site, visitor, asked[0])
        assert_shown_as_stored(site, *asked)


async def test_f34_a_sqlite_that_stays_locked_is_a_clear_error_in_bounded_time(sqlite_site):
    site = sqlite_site
    async with Visitor.of(site[0]) as visitor:
        tab = await visitor.open(site[0].port)
        with site.database.locked():
            began = time.monotonic()
            asked = [await tab.ask(asking("ok")) for _ in range(30)]
            assert {await answer.ended(3 * HANG) for answer in asked} == {"storage"}
            assert time.monotonic() - began < TIMES["DATABASE_WAIT"] + SQLITE_TIMEOUT + 2
            assert site[0].observed().num_threads() <= POOLS
        for answer in asked:
            assert not site.stored(answer.chat)
            await tab.send(answer)
            assert await answer.ended(HANG) == "finish"
        assert_kept(site, visitor, asked[0])
