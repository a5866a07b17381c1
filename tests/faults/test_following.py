"""F09 to F18: whatever happens to its sockets, a page finally shows what the database has."""

import asyncio
import time

import pytest

from tests.faults import pace
from tests.faults.network import Network
from tests.faults.promises import assert_asked, assert_sent_once, assert_shown_as_stored, back_at_base, eventually
from tests.faults.visitor import WAIT, Answer, Visitor, asking, fresh
from tests.support.behaviours import words

COUNT = 60
QUESTION = f"paced:{COUNT}:150"
WHOLE = "".join(words(COUNT))
HALF = len(WHOLE) // 2

LONG = 1_000
"""Words of an answer that has bytes for all its cuts, however few chunks a busy machine makes of it."""


def said(answer):
    """Return the length of the text a page has received; in the html format, the progress of its patches."""
    return len(answer.text) or sum(len(block) for uid in answer.page.messages for block in answer.page.blocks(uid))


DEATHS = {
    "at-the-first-delta": lambda answer, chunk: chunk["type"] in ("text-delta", "data-patch"),
    "half-way": lambda answer, chunk: said(answer) > HALF,
    "at-the-last-delta": lambda answer, chunk: answer.text == WHOLE or f"{COUNT - 1} wörd" in str(chunk),
    "before-the-end": lambda answer, chunk: chunk["type"] == "finish",
}


@pytest.mark.parametrize("view", ["text", "html"])
@pytest.mark.parametrize("death", DEATHS)
async def test_f09_a_socket_that_dies_is_resumed_without_missing_anything(site, visitor, view, death):
    tab = await visitor.open(site[0].port, view)
    answer = await tab.ask(asking(QUESTION))
    answer.fatal = lambda frame: frame["type"] == "chunk" and DEATHS[death](answer, frame["chunk"])
    await tab.closed()
    assert not answer.over
    began, heard = time.monotonic(), len(answer.frames)
    await tab.reconnect(site[-1].port)
    await tab.resume(answer)
    await answer.until(lambda: len(answer.frames) > heard)
    assert time.monotonic() - began < 2
    await answer.ended()
    assert site.message(answer.uid).text == WHOLE
    assert_shown_as_stored(site, answer)
    assert_sent_once(site, answer)
    assert_asked(site.upstream, answer)


async def cut_ten_times(site, visitor, seed):
    """Follow one answer over ten connections, each reset at a random byte."""
    chance = pace.chance("f10", seed)
    async with Network(site[chance.randrange(len(site))].port) as network:
        tab = await visitor.open(network.port, chance.choice(["text", "html"]))
        answer = await tab.ask(asking(f"paced:{LONG}:{LONG}"))
        network.cut_after(*(chance.randrange(1, 1500) for _ in range(9)))
        answer.fatal = lambda frame: True
        await tab.follow_through(answer, network.port, replay=chance.random() < 0.5)
        cuts = network.connections - 1
    return answer, cuts


async def test_f10_ten_cuts_at_random_bytes_change_nothing(site, visitor):
    seeds, at_once = pace.rounds(13, 200), 13  # of each topology
    cuts = 0
    async with back_at_base(site):
        for first in range(0, seeds, at_once):
            some = range(first, min(first + at_once, seeds))
            for seed, (answer, cut) in zip(
                some, await asyncio.gather(*(cut_ten_times(site, visitor, seed) for seed in some)), strict=True
            ):
                assert_shown_as_stored(site, answer)
                assert site.message(answer.uid).text == "".join(words(LONG)), f"seed {seed}"
                assert_sent_once(site, answer)
                assert_asked(site.upstream, answer)
                cuts += cut
    assert cuts >= 8 * seeds, f"only {cuts} cuts were made"


@pytest.mark.parametrize("view", ["text", "html"])
async def test_f11_a_reader_misses_nothing_that_is_written_while_it_looks_the_answer_up(site, visitor, view):
    writer = await visitor.open(site[0].port)
    readers = [await visitor.open(site[-1].port, view) for _ in range(8)]
    for _ in range(pace.rounds(1, 25)):
        answer = await writer.ask(asking("paced:1000:2000"))
        await answer.acknowledged()
        joined = []
        for number in range(20):  # each at a different moment of the answer
            joined.append(await readers[number % 8].join(answer.chat))
            await answer.until(lambda answer=answer, length=400 * number: len(answer.text) > length)
        assert await answer.ended() == "finish"
        for each in joined:
            await each.ended()
            each.uid = answer.uid
        assert_shown_as_stored(site, answer, *joined)


@pytest.mark.parametrize("sequence", [10**9, 10**30, 10_000])
async def test_f12_a_sequence_that_was_never_reached_brings_the_whole_state(site, visitor, sequence):
    tab = await visitor.open(site[0].port)
    answer = await tab.ask(asking(QUESTION))
    await answer.until(lambda: len(answer.text) > HALF)
    again = await visitor.open(site[-1].port)
    whole = Answer(answer.chat, answer.question, answer.message)
    await again.request(whole, "resume", body={"messageId": answer.uid}, lastSequence=sequence)
    assert await whole.ended() == "finish"
    assert await answer.ended() == "finish"
    assert_shown_as_stored(site, answer, whole)


async def test_f12_a_sequence_of_another_answer_brings_the_whole_state(site, visitor):
    tab = await visitor.open(site[0].port)
    old = await tab.ask(asking("ok"))
    await old.ended()
    answer = await tab.ask(asking(QUESTION), chat=old.chat)
    await answer.until(lambda: len(answer.text) > HALF)
    again = await visitor.open(site[-1].port)
    whole = Answer(answer.chat, answer.question, answer.message)
    await again.request(whole, "resume", body={"messageId": old.uid}, lastSequence=old.sequence)
    assert await whole.ended() == "finish"
    assert_shown_as_stored(site, whole)


@pytest.mark.parametrize("sequence", ["7", -1, 1.5, [], {}, True])
async def test_f12_a_sequence_of_the_wrong_type_closes_the_socket_with_a_code(site, visitor, sequence):
    tab = await visitor.open(site[0].port)
    await tab.request(Answer(fresh("c"), "", ""), "resume", body={}, lastSequence=sequence)
    assert await tab.closed() == 4400


async def test_f15_a_page_reloaded_mid_answer_shows_the_beginning_and_the_rest(site, visitor):
    first = await visitor.open(site[0].port, "html")
    answer = await first.ask(asking("gated"))
    await answer.until(lambda: answer.uid)
    await eventually(lambda: site.upstream.calls_of(answer.question), "the model was not asked", WAIT)
    (call,) = site.upstream.calls_of(answer.question)
    call.say(WHOLE[:HALF])
    await answer.until(lambda: said(answer) >= HALF)
    await first.close()
    page = await visitor.load(site[-1].port, answer.chat)
    assert [message.status for message in page.messages.values()] == ["complete", "running"]
    reloaded = Answer(answer.chat, answer.question, answer.message)
    reloaded.page, reloaded.uid = page, answer.uid
    tab = await visitor.open(site[-1].port, "html")
    await tab.resume(reloaded)
    call.say(WHOLE[HALF:])
    call.finish()
    await reloaded.ended()
    assert site.message(answer.uid).text == WHOLE
    assert_shown_as_stored(site, reloaded)
    assert_asked(site.upstream, answer)


async def test_f16_a_second_tab_that_joins_half_way_shows_the_same(site, visitor):
    first = await visitor.open(site[0].port)
    answer = await first.ask(asking(QUESTION))
    await answer.until(lambda: len(answer.text) > HALF)
    tabs = [await visitor.open(process.port, view) for process in site.processes for view in ("text", "html")]
    joined = [await tab.join(answer.chat, answer.question) for tab in tabs]
    assert await answer.ended() == "finish"
    for each in joined:
        await each.ended()
        each.uid = answer.uid
    assert site.message(answer.uid).text == WHOLE
    assert_shown_as_stored(site, answer, *joined)
    assert_asked(site.upstream, answer)


async def test_f18_every_reader_of_a_restarted_server_is_served_again_in_time(site):
    count, answers = pace.rounds(40, 1000), 10
    async with Visitor.of(site[0]) as visitor:
        asking_tab = await visitor.open(site[0].port, "html")
        asked = [await asking_tab.ask(asking("paced:100:10")) for _ in range(answers)]
        for answer in asked:
            await answer.acknowledged()
        tabs = [await visitor.open(site[0].port, "html") for _ in range(count)]
        followed = [await tab.join(asked[n % answers].chat) for n, tab in enumerate(tabs)]
        for n, answer in enumerate(followed):
            answer.uid = asked[n % answers].uid
            await answer.until(lambda answer=answer: answer.page.messages)
        await asyncio.to_thread(site[0].restart)
        began = time.monotonic()
        spread = pace.chance("f18")
        await asyncio.gather(*(come_back(tab, a, site, spread) for tab, a in zip(tabs, followed, strict=True)))
        assert time.monotonic() - began < 15
        assert_shown_as_stored(site, *followed)
        for answer in asked:
            assert_asked(site.upstream, answer)


async def come_back(tab, answer, site, spread):
    """Reconnect like the page does: after a random delay, whose range starts at up to a second and doubles."""
    await tab.closed()
    wait = 0.5
    while tab.lost:
        await asyncio.sleep(spread.random() * wait)
        wait = min(wait * 2, 10)
        try:
            await tab.connect(site[0].port)
        except OSError:
            continue
    await tab.resume(answer)
    await answer.ended()
