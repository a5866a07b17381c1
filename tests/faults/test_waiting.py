"""An answer that waits for its visitor, whatever fails meanwhile: no call runs twice, and an allowed one runs."""

import asyncio

import pytest

from chat.db.calls import DECLINED, UNKNOWN
from chat.engine.calls import NO_TOOL
from tests.faults import pace
from tests.faults.played import call_of
from tests.faults.promises import eventually, stored_ending
from tests.faults.shop import HOLD, RENAMED
from tests.faults.test_processes import RECOVERY
from tests.faults.test_steps import BODY, SHARED, assert_shown, let_go_on, states, used
from tests.faults.visitor import WAIT, asking, fresh

ROUNDS = pace.rounds(4, 100)
"""How often two processes get the last two decisions at once."""


async def asks(site, tab, *keys, held=False):
    """Ask, and let the model call the tool for each key; return the answer, which waits, and the calls' ids."""
    answer = await tab.ask(asking("gated"), **BODY)
    call = await call_of(site, answer)
    call.say("Shall I? ")
    call.call(*(("deliver", {"key": key, "held": held}) for key in keys))
    call.finish("tool_calls")
    assert await answer.ended() == "finish"
    assert answer.ending["finishReason"] == "tool-calls"
    chunks = [frame["chunk"] for frame in answer.frames if frame["type"] == "chunk"]
    return answer, [chunk["toolCallId"] for chunk in chunks if chunk["type"] == "tool-approval-request"]


async def restart(site):
    """Kill the process that has made the answer, and see that there is another one."""
    site[0].kill()
    if len(site) == 1:
        await asyncio.to_thread(site[0].start)


async def redeploy(site):
    for process in site:
        process.kill()
        await asyncio.to_thread(process.start)


async def finished(site, answer, attempt=2):
    """Let the model end an answer that goes on, and return the results of calls that it was told."""
    call = await call_of(site, answer, attempt=attempt)
    call.say("Done.")
    call.finish()
    assert (await stored_ending(site, answer, RECOVERY)).status == "complete"
    return [message["content"] for message in call.body["messages"] if message["role"] == "tool"]


@pytest.mark.parametrize("approved", [True, False])
async def test_a_kill_while_an_answer_waits_loses_nothing(site, visitor, approved):
    key = fresh("k")
    tab = await visitor.open(site[0].port)
    answer, (uid,) = await asks(site, tab, key)
    await restart(site)
    assert site.message(answer.uid).status == "waiting"
    await assert_shown(site, visitor, answer)
    tab = await visitor.open(site[-1].port)
    decided = await tab.decide(answer, uid, approved=approved)
    results = await finished(site, answer)
    assert results == ([f'{{"carried": "{key}"}}'] if approved else [DECLINED])
    assert (await decided.ended(), decided.text) == ("finish", "Done.")
    assert used(site, key) == int(approved)
    assert states(site, answer) == ["done" if approved else "denied"]
    await assert_shown(site, visitor, answer)


async def test_a_deploy_while_an_answer_waits_may_rename_the_tool(site, visitor):
    key = fresh("k")
    tab = await visitor.open(site[0].port)
    answer, (uid,) = await asks(site, tab, key)
    renamed = site.traces / RENAMED
    renamed.touch()
    await redeploy(site)
    try:
        tab = await visitor.open(site[-1].port)
        decided = await tab.decide(answer, uid)
        assert await finished(site, answer) == [NO_TOOL]
        assert await decided.ended() == "finish"
        assert (used(site, key), states(site, answer)) == (0, ["failed"])
    finally:
        renamed.unlink()
        await redeploy(site)


async def test_an_allowed_call_whose_process_died_before_it_began_runs_once(site, visitor):
    key = fresh("k")
    tab = await visitor.open(site[0].port)
    answer, (uid,) = await asks(site, tab, key)
    hold = site.traces / f"{HOLD}.{answer.chat}"
    hold.touch()
    await tab.decide(answer, uid)
    await eventually(lambda: states(site, answer) == ["allowed"], "the decision was not stored", WAIT)
    assert site.message(answer.uid).status == "running"
    await restart(site)
    hold.unlink()
    assert await finished(site, answer) == [f'{{"carried": "{key}"}}']
    assert (used(site, key), states(site, answer)) == (1, ["done"])
    await assert_shown(site, visitor, answer)


async def test_an_allowed_call_whose_process_died_in_it_is_unknown_and_never_runs_again(site, visitor):
    key = fresh("k")
    tab = await visitor.open(site[0].port)
    answer, (uid,) = await asks(site, tab, key, held=True)
    await tab.decide(answer, uid)
    await eventually(lambda: used(site, key), "the tool was not used", WAIT)
    await restart(site)
    assert (await stored_ending(site, answer, RECOVERY)).status == "interrupted"
    let_go_on(site, key)
    tab = await visitor.open(site[-1].port)
    assert await (await tab.decide(answer, uid, approved=False)).ended() == "conflict"
    again = await tab.decide(answer, uid)
    assert await again.ended() == "error"
    assert (used(site, key), states(site, answer)) == (1, ["unknown"])
    assert UNKNOWN in str(again.frames)
    await assert_shown(site, visitor, answer)


@SHARED
async def test_a_process_that_is_suspended_after_a_decision_does_not_carry_the_call_out_as_well(site, visitor):
    key = fresh("k")
    tab = await visitor.open(site[0].port)
    answer, (uid,) = await asks(site, tab, key)
    hold = site.traces / f"{HOLD}.{answer.chat}"
    hold.touch()
    await tab.decide(answer, uid)
    await eventually(lambda: states(site, answer) == ["allowed"], "the decision was not stored", WAIT)
    site[0].pause()
    await eventually(lambda: site.message(answer.uid).status != "running", "nobody took the answer over", RECOVERY)
    hold.unlink()
    assert await finished(site, answer) == [f'{{"carried": "{key}"}}']
    site[0].resume()
    tab = await visitor.open(site[0].port)
    after = await tab.ask(asking("ok"), **BODY)
    await after.ended()
    assert (used(site, key), states(site, answer)) == (1, ["done"])
    assert len(site.upstream.calls_of(answer.question)) == 2


async def test_the_last_two_decisions_at_once_begin_one_run(site, visitor):
    tabs = [await visitor.open(process.port) for process in (site[0], site[-1])]
    for _ in range(ROUNDS):
        keys = [fresh("k"), fresh("k")]
        answer, uids = await asks(site, tabs[0], *keys)
        decided = await asyncio.gather(*(tab.decide(answer, uid) for tab, uid in zip(tabs, uids, strict=True)))
        assert sorted(await finished(site, answer)) == sorted(f'{{"carried": "{key}"}}' for key in keys)
        # The first of two that were decided one by one has no more.
        ends = [(await each.ended(), each.text) for each in decided]
        assert ("finish", "Done.") in ends
        assert set(ends) <= {("finish", "Done."), ("None", "")}
        assert [used(site, key) for key in keys] == [1, 1]
        assert len(site.upstream.calls_of(answer.question)) == 2


async def test_one_decision_from_two_processes_at_once_is_one(site, visitor):
    tabs = [await visitor.open(process.port) for process in (site[0], site[-1])]
    for _ in range(ROUNDS):
        key = fresh("k")
        answer, (uid,) = await asks(site, tabs[0], key)
        decided = await asyncio.gather(*(tab.decide(answer, uid) for tab in tabs))
        await finished(site, answer)
        for each in decided:
            assert (await each.ended(), each.text) == ("finish", "Done.")
        assert used(site, key) == 1
        assert len(site.upstream.calls_of(answer.question)) == 2


async def test_a_new_question_from_another_process_declines_what_was_asked(site, visitor):
    key = fresh("k")
    tab = await visitor.open(site[0].port)
    answer, (uid,) = await asks(site, tab, key)
    other = await visitor.open(site[-1].port)
    after = await other.ask(asking("gated"), chat=answer.chat, **BODY)
    call = await call_of(site, after)
    assert DECLINED in [message["content"] for message in call.body["messages"]]
    call.say("Fine.")
    call.finish()
    await after.ended()
    assert await (await tab.decide(answer, uid)).ended() == "conflict"
    assert (site.message(answer.uid).status, states(site, answer), used(site, key)) == ("stopped", ["denied"], 0)
