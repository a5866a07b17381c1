"""S13: limits hold over several processes, and what a killed process had reserved is settled."""

import asyncio

import pytest

from tests.faults.played import begun, call_of
from tests.faults.promises import eventually
from tests.faults.test_processes import RECOVERY
from tests.faults.visitor import Visitor, asking, fresh

BOTH = ["redis-postgres", "redis-sqlite"]
"""Always both: they lock in different ways."""

SENDS, ALLOWED = 200, 37


def site_with(sites, topology, processes=2, **limits):
    site = sites(topology)
    for _ in range(processes):
        site.add(LIMITS=limits, MAX_PENDING_REQUESTS=10 * SENDS)
    return site


def counters(site, measure):
    rows = site.database.rows("SELECT name, used FROM llm_chat_counter WHERE name LIKE %s", f"% {measure} %")
    return [used for _, used in rows]


def used_tokens(site):
    rows = site.database.rows("SELECT input_tokens + output_tokens FROM llm_chat_usage")
    return [total for (total,) in rows]


async def all_sent(site, visitor, behaviour):
    """Send many questions to all processes at once; return the answers that were allowed and those that were not."""
    tabs = [await visitor.open(process.port) for process in site.processes]
    asked = (tabs[number % len(tabs)].ask(asking(behaviour)) for number in range(SENDS))
    answers = await asyncio.gather(*asked)
    await asyncio.gather(*(answer.until(lambda answer=answer: answer.uid or answer.over) for answer in answers))
    return [answer for answer in answers if answer.uid], [answer for answer in answers if not answer.uid]


@pytest.mark.parametrize("topology", BOTH)
async def test_s13_of_200_sends_at_once_over_two_processes_exactly_as_many_are_answered_as_allowed(sites, topology):
    site = site_with(sites, topology, site={"answers": f"{ALLOWED}/month"})
    async with Visitor.of(site[0]) as visitor:
        allowed, refused = await all_sent(site, visitor, "ok")
        assert {await answer.ended() for answer in allowed} == {"finish"}
    assert {answer.code for answer in refused} == {"limit"}
    calls = [len(site.upstream.calls_of(answer.question)) for answer in [*allowed, *refused]]
    assert calls == [1] * ALLOWED + [0] * (SENDS - ALLOWED)
    assert counters(site, "answers") == [ALLOWED]
    assert site.database.rows("SELECT COUNT(*) FROM llm_chat_message") == [(2 * ALLOWED,)]
    assert "deadlock" not in site.log


@pytest.mark.parametrize("topology", BOTH)
async def test_s13_no_two_processes_reserve_the_same_tokens(sites, topology):
    limit = 20_000
    limits = {"anonymous": {"tokens": f"{limit}/month"}, "site": {"tokens": f"{limit}/month"}}
    site = site_with(sites, topology, **limits)
    async with Visitor.of(site[0]) as visitor:
        allowed, refused = await all_sent(site, visitor, "gated")
        assert allowed and refused
        (mine, all_) = counters(site, "tokens")
        each = mine // len(allowed)
        assert mine == all_ == each * len(allowed), "all reserve the same"
        assert limit - each < mine <= limit, "and as much as there is"
        for answer in allowed:
            call = await call_of(site, answer)
            call.say("So.")
            call.finish()
        assert {await answer.ended() for answer in allowed} == {"finish"}
    assert {answer.code for answer in refused} == {"limit"}
    assert len(used_tokens(site)) == len(allowed)
    assert counters(site, "tokens") == [sum(used_tokens(site))] * 2
    assert "deadlock" not in site.log


@pytest.mark.parametrize("topology", BOTH)
async def test_s13_what_a_killed_process_had_reserved_is_settled_in_time(sites, topology):
    site = site_with(sites, topology, anonymous={"tokens": "20_000/month", "answers": "5/month"})
    async with Visitor.of(site[0]) as visitor:
        tab, watching = await visitor.open(site[0].port), await visitor.open(site[1].port)
        answer, _call = await begun(site, tab, "Begun. ")
        watcher = await watching.join(answer.chat, answer.question)
        await watcher.until(lambda: watcher.text == "Begun. ")
        (reserved,) = counters(site, "tokens")
        assert reserved > 1_000
        site[0].kill()
        await eventually(lambda: counters(site, "tokens") != [reserved], "the reservation stands", RECOVERY)
        await watcher.ended()
    assert counters(site, "tokens") == used_tokens(site)
    assert used_tokens(site)[0] < 100
    assert site.database.rows("SELECT source, outcome FROM llm_chat_usage") == [("estimated", "interrupted")]
    assert counters(site, "answers") == [1]


async def test_s13_what_a_single_killed_process_had_reserved_is_settled_when_it_starts_again(sites):
    site = site_with(sites, "memory", processes=1, anonymous={"tokens": "20_000/month"})
    async with Visitor.of(site[0]) as visitor:
        tab = await visitor.open(site[0].port)
        answer, _call = await begun(site, tab, "Begun. ")
        await eventually(lambda: site.message(answer.uid).text, "no checkpoint", 10)
        site[0].kill()
        await asyncio.to_thread(site[0].start)
        await eventually(lambda: site.message(answer.uid).status == "interrupted", "it runs", RECOVERY)
    assert counters(site, "tokens") == used_tokens(site)
    assert 0 < used_tokens(site)[0] < 100


@pytest.mark.parametrize("topology", BOTH)
async def test_s13_a_repeat_over_two_processes_is_counted_once_and_never_refused(sites, topology):
    site = site_with(sites, topology, anonymous={"answers": "1/month"})
    async with Visitor.of(site[0]) as visitor:
        tabs = [await visitor.open(process.port) for process in site.processes]
        chat, message, question = fresh("c"), fresh("m"), asking("ok")
        sent = [tab.ask(question, chat, message) for tab in tabs for _ in range(5)]
        answers = await asyncio.gather(*sent)
        assert {await answer.ended() for answer in answers} == {"finish"}
        refused = await tabs[1].ask(asking("ok"))
        assert await refused.ended() == "limit"
    assert len({answer.uid for answer in answers}) == 1
    assert len(site.upstream.calls_of(question)) == 1
    assert counters(site, "answers") == [1]
