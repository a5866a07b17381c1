"""F22 and F24: a terminated process lets its answers finish, and a restart delays a visitor only briefly."""

import asyncio
import time
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed

from tests.faults import pace
from tests.faults.conftest import warm
from tests.faults.played import call_of
from tests.faults.promises import assert_asked, assert_sent_once, assert_shown_as_stored, eventually, stored_ending
from tests.faults.visitor import AGAIN, Answer, Visitor, asking, fresh
from tests.support.behaviours import words

GRACE = pace.GRACE
SHORT = f"paced:20:{20 / pace.seconds(8.0):.2f}"
"""An answer that takes two fifths of the grace period."""
WHOLE = "".join(words(20))
BUSY = pace.longer(3.0, 8.0)
"""The extra time a stop may take: the server waits for connections, and the machine may be busy."""

EXIT = {"uvicorn": -15, "daphne": 0}
"""Uvicorn re-raises the signal at the end, so that its supervisor sees why it exited."""


@pytest.fixture(scope="session")
def daphne_site(shared_sites):
    site = shared_sites()
    site.add("daphne")
    asyncio.run(warm(site))
    return site


@pytest.fixture(params=["uvicorn-on-memory", "uvicorn-on-redis-postgres", "daphne"])
def server(request):
    """Provide a site, and the name of its server."""
    name, _, topology = request.param.partition("-on-")
    site_of_topology, daphne_site = map(request.getfixturevalue, ("site_of_topology", "daphne_site"))
    site = daphne_site if name == "daphne" else site_of_topology(topology)
    site.mend()
    return site, name


async def twenty_answers(site, tab):
    """Start ten answers that end in time, then ten that do not."""
    long = [await tab.ask(asking("gated")) for _ in range(10)]
    for answer in long:
        (await call_of(site, answer)).say("Half of it")
        await answer.until(lambda answer=answer: answer.text == "Half of it")
    short = [await tab.ask(asking(SHORT)) for _ in range(10)]
    for answer in short:
        await answer.until(lambda answer=answer: answer.text)
    return short, long


async def test_f22_a_terminated_process_lets_its_answers_finish(server, record_property):
    site, name = server
    async with Visitor.of(site[0]) as visitor:
        tab, watching = await visitor.open(site[0].port), await visitor.open(site[-1].port, "html")
        short, long = await twenty_answers(site, tab)
        joined = [await watching.join(answer.chat) for answer in (short[0], long[0])]
        began = time.monotonic()
        code = await asyncio.to_thread(site[0].terminate)
        record_property("exit", took := time.monotonic() - began)
        assert code == EXIT[name]
        assert took < GRACE + BUSY
        assert [(m.status, m.text) for m in map(site.message, [a.uid for a in short])] == [("complete", WHOLE)] * 10
        ended = [(m.status, m.text) for m in map(site.message, [a.uid for a in long])]
        assert ended == [("interrupted", "Half of it")] * 10
        assert site.database.rows("SELECT id FROM llm_chat_process") == [] or len(site) > 1
        if len(site) == 1:
            await asyncio.to_thread(site[0].start)
        await follow_all(tab, [*short, *long], site[-1].port)
        await follow_all(watching, joined, site[-1].port)
        assert_shown_as_stored(site, *short, *long, *joined)
        for answer in [*short, *long]:
            assert_sent_once(site, answer)
            assert_asked(site.upstream, answer)
        assert "was given up" not in site.log
        # With two processes, the channel layer may log that Redis is down when other tests kill it.
        assert "Traceback" not in site.log or len(site) > 1


async def test_f22_daphne_serves_its_readers_to_the_end_and_loses_no_question_meanwhile(daphne_site):
    daphne_site.mend()
    process = daphne_site[0]
    async with Visitor.of(process) as visitor:
        tab, other = [await visitor.open(process.port) for _ in range(2)]
        answer = await tab.ask(asking(SHORT))
        await answer.until(lambda: answer.text)
        ending = asyncio.create_task(asyncio.to_thread(process.terminate))
        await eventually(lambda: process.log.rstrip().endswith("running answers."), "it does not shut down", 10)
        late = await other.ask(asking("ok"))  # daphne may already have ended this socket's application
        assert await answer.ended() == "finish"
        assert await ending == EXIT["daphne"]
        assert daphne_site.stored(late.chat) == []
        await asyncio.to_thread(process.start)
        await other.follow_through(late, process.port)
        assert_shown_as_stored(daphne_site, answer, late)
        assert_sent_once(daphne_site, late)


async def follow_all(tab, answers, port):
    """Follow all answers of a page to their ends, on a new socket if it has lost its own."""
    if tab.lost:
        await tab.reconnect(port)
        for answer in answers:
            await tab.resume(answer)
    for answer in answers:
        await answer.ended()


async def ask_until(site, number, over, done):
    """Ask one question after the other until ``over``, and follow each to its end where possible."""
    chance = pace.chance("f24", number)
    async with Visitor.of(site[number % 2]) as visitor:
        tab = await visitor.open(site[number % 2].port, chance.choice(["text", "html"]))
        chat = None
        while not over.is_set():
            answer = Answer(chat or fresh("c"), asking(SHORT), fresh("m"))
            with suppress(ConnectionClosed):  # by a process that is shutting down
                await tab.send(answer)
            chat = answer.chat if tab.view == "html" else None
            while not answer.over or answer.code in AGAIN:
                await tab.follow_through(answer, site[chance.randrange(2)].port, wait=60)
            done.append(answer)


@pytest.mark.parametrize("running_site", pace.SHARED, indirect=True)
async def test_f24_two_processes_are_restarted_one_after_the_other_and_nothing_is_lost_or_doubled(site):
    over, done = asyncio.Event(), []
    async with asyncio.TaskGroup() as visitors:
        for number in range(pace.rounds(10, 100)):
            visitors.create_task(ask_until(site, number, over, done))
        for _ in range(pace.rounds(1, 5)):
            for process in site.processes:
                before = len(done)
                await eventually(lambda before=before: len(done) >= before + 5, "nobody was answered", 30)
                await asyncio.to_thread(process.restart)
        over.set()
    assert len(done) > 20
    endings = [await stored_ending(site, answer, wait=1) for answer in done]
    whole = sum((stored.status, stored.text) == ("complete", WHOLE) for stored in endings)
    # On a busy machine the grace period may end before the model has been asked, or has said all.
    assert whole >= pace.longer(1.0, 0.9) * len(done), [stored.status for stored in endings]
    for answer, stored in zip(done, endings, strict=True):
        if stored.text or stored.status == "complete":
            assert_asked(site.upstream, answer)
        assert len(site.upstream.calls_of(answer.question)) <= 1
        assert [m.uid for m in site.stored(answer.chat)].count(answer.message) == 1
        if not answer.page.messages:
            assert_sent_once(site, answer)
    assert_shown_as_stored(site, *done)
