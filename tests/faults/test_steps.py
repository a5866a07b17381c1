"""An answer of several steps, whatever fails between and within them: no tool runs twice, and pages show what was done.

The tools leave a trace of each use, which counts how often each call was carried out.
"""

import asyncio
import json
from dataclasses import dataclass

import pytest

from chat.db.calls import UNKNOWN
from tests.faults import pace
from tests.faults.played import call_of
from tests.faults.promises import eventually, stored_ending
from tests.faults.test_processes import RECOVERY
from tests.faults.visitor import WAIT, asking, fresh

SHARED = pytest.mark.parametrize("running_site", pace.SHARED, indirect=True)
BODY = {"assistant": "carrier"}
TOOLS = ["carry", "send"]
MOMENTS = ["before-the-row", "in-the-tool", "between-the-steps", "in-the-second-step"]
THREADS = 8
"""``CHAT["TOOL_THREADS"]``."""


@dataclass
class Played:
    """An answer at some moment, its tab, its call's key, and the model's latest call."""

    tab: object
    answer: object
    key: str
    call: object
    expected: str
    """The state in which the row of the call ends, if everything stops at this moment; empty for none."""
    count: int
    """How often the tool was used by then."""


def rows(site, answer):
    """Return the names, states, outputs and errors of an answer's calls."""
    return site.database.rows(
        "SELECT t.name, t.state, CAST(t.output AS TEXT), t.error FROM llm_chat_toolcall t"
        " JOIN llm_chat_message m ON m.id = t.message_id WHERE m.uid = %s ORDER BY t.id",
        answer.uid,
    )


def states(site, answer):
    return [row[1] for row in rows(site, answer)]


def used(site, key, what="begun"):
    """Return how often the tool was used for a key."""
    trace = site.traces / f"{key}.{what}"
    return len(trace.read_text()) if trace.exists() else 0


def let_go_on(site, key):
    (site.traces / f"{key}.go").touch()


async def at(site, visitor, moment, tool, view="text"):
    """Ask, and bring the answer to a moment."""
    tab = await visitor.open(site[0].port, view)
    key = fresh("k")
    answer = await tab.ask(asking("gated"), **BODY)
    await answer.acknowledged() if view == "text" else None
    call = await call_of(site, answer)
    call.say("Look. ")
    held = moment == "in-the-tool"
    call.call((tool, {"key": key, "held": held}))
    if moment == "before-the-row":
        await eventually(lambda: call.idle, "the model has not said it", WAIT)
        return Played(tab, answer, key, call, "", 0)
    call.finish("tool_calls")
    await eventually(lambda: used(site, key), "the tool was not used", WAIT)
    if held:
        return Played(tab, answer, key, call, "unknown", 1)
    call = await call_of(site, answer, attempt=2)
    if moment == "in-the-second-step":
        call.say("It is")
        await answer.until(lambda: "It is" in str(answer.frames))
    return Played(tab, answer, key, call, "done", 1)


def calls_shown(frames):
    """Return how each call ended, as a client of the text format has received it."""
    shown = {}
    for frame in frames:
        chunk = frame.get("chunk", {})
        if chunk.get("type") == "tool-input-available":
            shown[chunk["toolCallId"]] = "running"
        elif chunk.get("type") == "tool-approval-request":
            shown[chunk["toolCallId"]] = "asked"
        elif chunk.get("type") == "tool-output-denied":
            shown[chunk["toolCallId"]] = "denied"
        elif chunk.get("type") == "tool-output-error":
            shown[chunk["toolCallId"]] = "unknown" if chunk["errorText"] == UNKNOWN else "failed"
        elif chunk.get("type") == "tool-output-available" and not chunk.get("preliminary"):
            shown[chunk["toolCallId"]] = "done"
    return list(shown.values())


async def assert_shown(site, visitor, answer):
    """Check that a page that opens now shows the calls as the database has them."""
    tab = await visitor.open(site[-1].port)
    again = await tab.join(answer.chat, answer.question)
    await again.ended()
    assert calls_shown(again.frames) == states(site, answer)
    parts = json.loads(site.message(answer.uid).parts)
    assert again.text == "".join(part.get("text", "") for part in parts)


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_killed_process_leaves_each_call_as_it_was_and_none_runs_again(site, visitor, moment, tool):
    played = await at(site, visitor, moment, tool)
    answer = played.answer
    site[0].kill()
    if len(site) == 1:
        await asyncio.to_thread(site[0].start)
    stored = await stored_ending(site, answer, RECOVERY)
    assert stored.status == "interrupted"
    assert states(site, answer) == [played.expected] * bool(played.expected)
    assert [part.get("type") for part in json.loads(stored.parts)].count("tool") == len(states(site, answer))
    await assert_shown(site, visitor, answer)
    tab = await visitor.open(site[-1].port)
    before = len(site.upstream.calls_of(answer.question))
    again = await tab.regenerate(answer, fresh("t"), **{"continue": True}, **BODY)
    call = await call_of(site, answer, attempt=before + 1)
    results = [message["content"] for message in call.body["messages"] if message["role"] == "tool"]
    expected = {"": [], "unknown": [UNKNOWN], "done": [f'{{"carried": "{played.key}"}}']}
    assert results == expected[played.expected]
    call.say("So.")
    call.finish()
    assert await again.ended() == "finish"
    assert used(site, played.key) == played.count


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("moment", MOMENTS)
async def test_stop_ends_an_answer_in_each_of_its_moments(site, visitor, moment, tool):
    played = await at(site, visitor, moment, tool)
    await played.tab.stop(played.answer)
    assert await played.answer.ended() == "abort"
    assert site.message(played.answer.uid).status == "stopped"
    assert states(site, played.answer) == [played.expected] * bool(played.expected)
    assert calls_shown(played.answer.frames) == states(site, played.answer)
    await assert_shown(site, visitor, played.answer)
    let_go_on(site, played.key)
    assert used(site, played.key) == played.count


async def test_a_result_that_comes_after_stop_changes_nothing(site, visitor):
    played = await at(site, visitor, "in-the-tool", "carry")
    await played.tab.stop(played.answer)
    assert await played.answer.ended() == "abort"
    let_go_on(site, played.key)
    await eventually(lambda: used(site, played.key, "done"), "the tool did not end", WAIT)
    after = await played.tab.ask(asking("ok"), chat=played.answer.chat, **BODY)
    await after.ended()
    assert rows(site, played.answer) == [("carry", "unknown", rows(site, played.answer)[0][2], UNKNOWN)]


@SHARED
async def test_a_tool_that_ends_after_its_process_was_given_up_changes_nothing(site, visitor):
    played = await at(site, visitor, "in-the-tool", "carry")
    site[0].pause()
    stored = await stored_ending(site, played.answer, RECOVERY)
    assert stored.status == "interrupted"
    assert states(site, played.answer) == ["unknown"]
    site[0].resume()
    let_go_on(site, played.key)
    await eventually(lambda: used(site, played.key, "done"), "the tool did not end", WAIT)
    await assert_shown(site, visitor, played.answer)
    assert states(site, played.answer) == ["unknown"]
    assert used(site, played.key) == 1
    assert len(site.upstream.calls_of(played.answer.question)) == 1


async def test_calls_that_no_thread_has_begun_never_run_after_a_kill(site, visitor):
    tab = await visitor.open(site[0].port)
    answer = await tab.ask(asking("gated"), **BODY)
    call = await call_of(site, answer)
    keys = [fresh("k") for _ in range(THREADS + 2)]
    call.call(*(("carry", {"key": key, "held": True}) for key in keys))
    call.finish("tool_calls")
    await eventually(lambda: sum(used(site, key) for key in keys) == THREADS, "the tools were not used", WAIT)
    assert states(site, answer) == ["running"] * len(keys)
    site[0].kill()
    if len(site) == 1:
        await asyncio.to_thread(site[0].start)
    await stored_ending(site, answer, RECOVERY)
    assert states(site, answer) == ["unknown"] * len(keys)
    for key in keys:
        let_go_on(site, key)
    await assert_shown(site, visitor, answer)
    assert sum(used(site, key) for key in keys) == THREADS


async def test_a_reload_at_each_moment_shows_what_was_done(site, visitor):
    tab = await visitor.open(site[0].port)
    answer = await tab.ask(asking("gated"), **BODY)
    call = await call_of(site, answer)
    keys = [fresh("k") for _ in range(3)]
    for number, key in enumerate(keys, start=1):
        call.call(("send", {"key": key, "held": True}))
        call.finish("tool_calls")
        await eventually(lambda key=key: used(site, key), "the tool was not used", WAIT)
        for view in ("text", "html"):
            page = await visitor.open(site[-1].port, view)
            joined = await page.join(answer.chat, answer.question)
            await joined.until(lambda joined=joined, key=key: key in str(joined.frames))
            if view == "text":
                assert calls_shown(joined.frames) == [*["done"] * (number - 1), "running"] == states(site, answer)
            await page.close()
        let_go_on(site, key)
        call = await call_of(site, answer, attempt=number + 1)
    call.say("Done.")
    call.finish()
    assert await answer.ended() == "finish"
    assert calls_shown(answer.frames) == states(site, answer) == ["done"] * 3
    await assert_shown(site, visitor, answer)
    assert [used(site, key) for key in keys] == [1, 1, 1]


async def test_hanging_tools_delay_nobody(site, visitor):
    """Fifty hanging tools: a question and a stop are served within a second, and the process keeps its heartbeat."""
    tab = await visitor.open(site[0].port)
    answers, keys = [], []
    for _ in range(5):
        answer = await tab.ask(asking("gated"), **BODY)
        call = await call_of(site, answer)
        some = [fresh("k") for _ in range(10)]
        call.call(*(("carry", {"key": key, "held": True}) for key in some))
        call.finish("tool_calls")
        answers.append(answer)
        keys += some
    await eventually(lambda: sum(used(site, key) for key in keys) == THREADS, "the tools were not used", WAIT)
    await eventually(lambda: all(len(states(site, answer)) == 10 for answer in answers), "no rows", WAIT)
    try:
        other = await tab.ask(asking("ok"))
        assert await other.ended(1.0 * pace.longer(1, 5)) == "finish"
        await tab.stop(answers[0])
        assert await answers[0].ended(1.0 * pace.longer(1, 5)) == "abort"
        beats = "SELECT MAX(heartbeat_at) FROM llm_chat_process"
        before = site.database.rows(beats)
        await eventually(lambda: site.database.rows(beats) != before, "no heartbeat", pace.longer(3, 5))
    finally:
        for key in keys:
            let_go_on(site, key)
        for answer in answers[1:]:
            await tab.stop(answer)
            await answer.ended()
