"""F35 to F45: an endpoint that is down, sends invalid data, disconnects early or sends too much."""

import asyncio
import itertools
import time

import pytest

from tests.faults import pace
from tests.faults.promises import (
    MEGABYTE,
    assert_asked,
    assert_plain_errors,
    assert_sent_once,
    assert_shown_as_stored,
    assert_unnoticed,
    back_at_base,
    eventually,
)
from tests.faults.services import free_port
from tests.faults.visitor import Visitor, asking
from tests.support.behaviours import ANSWER, TEXTS, events, framed

SAID = ("Scripted", "No, ", "overloaded", "It works!", "{broken")
"""The endpoint's own words, which must not appear in any page, row or log."""

MOST = 1_000_000  # CHAT["MAX_ANSWER_LENGTH"]


@pytest.fixture
async def tab(one_process):
    one_process.mend()
    async with Visitor.of(one_process[0]) as visitor:
        yield await visitor.open(one_process[0].port)


async def answered(tab, *behaviours):
    """Ask all questions at once, and return the answers when each of them has ended."""
    answers = [await tab.ask(asking(behaviour)) for behaviour in behaviours]
    for answer in answers:
        await answer.ended()
    return answers


def assert_promises(site, answers):
    for answer in answers:
        assert_sent_once(site, answer)
        assert_shown_as_stored(site, answer)
    assert_plain_errors(site, answers, SAID)


def statuses(site, answers):
    return [site.message(answer.uid).status for answer in answers]


@pytest.mark.parametrize("after", ["", f":{pace.seconds(1)}"], ids=["no-time", "a-second"])
async def test_f35_a_busy_endpoint_is_retried_twice(one_process, tab, after):
    (answer,) = await answered(tab, f"status:429{after}")
    assert (answer.code, statuses(one_process, [answer])) == ("rate_limited", ["failed"])
    assert_asked(one_process.upstream, answer, times=3)
    calls = one_process.upstream.calls_of(answer.question)
    wait = pace.seconds(1 if after else 0.5)
    assert all(later.at - earlier.at >= wait for earlier, later in itertools.pairwise(calls))
    assert_promises(one_process, [answer])


async def test_f35_an_endpoint_that_asks_for_a_long_wait_is_an_error_at_once(one_process, tab):
    begun = time.monotonic()
    (answer,) = await answered(tab, "status:429:3600")
    assert time.monotonic() - begun < 5
    assert answer.code == "rate_limited"
    assert_asked(one_process.upstream, answer)
    assert_promises(one_process, [answer])


async def test_f36_an_endpoint_that_fails_is_a_clear_error(one_process, tab):
    answers = await answered(tab, "status:500", "status:503", "status:401", "reset")
    assert [answer.code for answer in answers] == ["upstream", "upstream", "auth", "upstream"]
    assert statuses(one_process, answers) == ["failed"] * 4
    for answer, times in zip(answers, [3, 3, 1, 3], strict=True):
        assert_asked(one_process.upstream, answer, times)
    assert_promises(one_process, answers)


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"], ids=["refused", "unknown"])
async def test_f36_an_endpoint_that_is_not_there_is_a_clear_error(sites, host):
    site = sites()
    address = f"{host}:{free_port()}"
    site.add(model_url=f"http://{address}/v1")
    async with Visitor.of(site[0]) as visitor:
        tab = await visitor.open(site[0].port)
        answers = await answered(tab, "ok")
        assert answers[0].code == "upstream"
        assert statuses(site, answers) == ["failed"]
        assert_promises(site, answers)
        assert_plain_errors(site, answers, [address])
    site.close()


async def test_f37_an_endpoint_that_never_answers_runs_into_the_deadline(one_process, tab):
    deadline = pace.MODEL_DEADLINE
    begun = time.monotonic()
    alive = await tab.ask(asking(f"pings:comment:{int(1.2 * deadline / 0.05)}"))
    answers = await answered(tab, "silent", "headers")
    assert deadline <= time.monotonic() - begun < deadline + 5
    assert [answer.code for answer in answers] == ["timeout"] * 2
    await alive.ended()
    assert (alive.text, statuses(one_process, [alive])) == (ANSWER, ["complete"]), "a sign of life restarts the wait"
    for answer in (*answers, alive):
        assert_asked(one_process.upstream, answer)
    assert_promises(one_process, [*answers, alive])


async def test_f38_an_endpoint_that_falls_silent_runs_into_the_deadline_and_its_text_is_kept(one_process, tab):
    deadline = pace.MODEL_DEADLINE
    begun = time.monotonic()
    answers = await answered(tab, "stall", "comments")
    assert deadline <= time.monotonic() - begun < deadline + 5
    assert [(answer.code, answer.text) for answer in answers] == [("timeout", "".join(TEXTS[:2]))] * 2
    for answer in answers:
        assert_asked(one_process.upstream, answer)
    assert_promises(one_process, answers)


async def test_f39_an_answer_without_its_finish_reason_is_never_complete(one_process, tab):
    behaviours = ["unfinished", "error-event", "empty", "break-off:2", "finish:error", "finish:banana", "tool-calls"]
    answers = await answered(tab, *behaviours)
    codes = ["interrupted", "upstream", "interrupted", "upstream", "upstream", "interrupted", "upstream"]
    assert [answer.code for answer in answers] == codes
    assert statuses(one_process, answers) == ["interrupted" if code == "interrupted" else "failed" for code in codes]
    assert [answer.text for answer in answers] == [ANSWER, TEXTS[0], "", "".join(TEXTS[:2]), ANSWER, ANSWER, ""]
    for answer in answers:
        assert_asked(one_process.upstream, answer)
    assert_promises(one_process, answers)


async def test_f40_a_connection_that_is_reset_anywhere_keeps_the_text_received_so_far(one_process, tab):
    ends = list(itertools.accumulate(len(piece) for piece in framed(events(*TEXTS))))
    places = [place for end in ends for place in (end - 1, end, end + 1) if place <= ends[-1]]
    async with back_at_base(one_process):
        answers = []
        for some in places[::2], places[1::2]:  # a socket may have 32 requests
            answers += await answered(tab, *(f"cut-at:{place}" for place in some))
    for place, answer in zip([*places[::2], *places[1::2]], answers, strict=True):
        whole = sum(end - 2 <= place for end in ends)  # complete events; the line end of the HTTP chunk does not count
        assert answer.text == "".join(TEXTS[: max(whole - 1, 0)]), place
        finished = whole > len(TEXTS) + 1
        assert one_process.message(answer.uid).status == ("complete" if finished else "failed"), place
        # One attempt may use a kept-alive connection just as it is reset, and never reach the endpoint.
        calls = len(one_process.upstream.calls_of(answer.question))
        assert calls == 1 if answer.text else calls <= 3, place
    assert_promises(one_process, answers)


async def test_f41_a_valid_stream_gives_the_same_text_however_it_is_split(one_process, tab):
    answers = await answered(tab, "line-ends:cr", "line-ends:crlf", "no-space", "one-byte")
    assert [answer.text for answer in answers] == [ANSWER] * 4
    assert statuses(one_process, answers) == ["complete"] * 4
    assert_promises(one_process, answers)


async def test_f41_a_broken_stream_is_a_clear_failure_and_its_text_is_kept(one_process, tab):
    answers = await answered(tab, "garbage", "html")
    assert [(answer.code, answer.text) for answer in answers] == [("upstream", TEXTS[0]), ("upstream", "")]
    for answer in answers:
        assert_asked(one_process.upstream, answer)
    assert_promises(one_process, answers)


async def test_f41_oddities_in_a_stream_do_not_fail_the_answer(one_process, tab):
    odd = ["typed:text/plain", "typed", "whole", "late:stop", "long-header:10240", "pings:empty:2", "thinking"]
    answers = await answered(tab, *odd, "bad-utf8")
    replaced = f"{TEXTS[0]}\ufffd({''.join(TEXTS[1:])}"
    assert [answer.text for answer in answers] == [ANSWER] * len(odd) + [replaced]
    assert statuses(one_process, answers) == ["complete"] * len(answers)
    for answer in answers:
        assert_asked(one_process.upstream, answer)
    assert_promises(one_process, answers)


async def test_f42_an_answer_that_is_too_long_is_cut_and_others_do_not_notice(one_process, tab):
    async with Visitor.of(one_process[0]) as other:
        theirs = await other.open(one_process[0].port)
        (calm,) = await answered(theirs, "paced:100:50")
        async with back_at_base(one_process, memory=100 * MEGABYTE):  # the allocator keeps some memory
            waiting = asyncio.create_task(answered(theirs, "paced:100:50"))
            many = pace.rounds(20_000, 200_000)
            answers = await answered(tab, "huge:5000000", "endless", f"flood:{many}")
            (meanwhile,) = await waiting
    assert statuses(one_process, answers) == ["cut", "cut", "complete"]
    assert [len(answer.text) for answer in answers] == [MOST, MOST, many * len("word ")]
    assert_unnoticed(calm, meanwhile, room=pace.longer(0.1, 1.0))
    assert_promises(one_process, [*answers, meanwhile])


async def test_f45_answers_that_end_early_or_fail_leave_no_connection_behind(one_process, tab):
    site, count = one_process, pace.rounds(40, 500)
    failing = itertools.cycle(["break-off:2", "status:401", "error-event", "garbage", "html", "unfinished"])
    async with back_at_base(site):
        for begun in range(0, count, 10):
            some = min(10, count - begun)
            stopped = [await tab.ask(asking("paced:1000:20")) for _ in range(some)]
            failed = [await tab.ask(asking(next(failing))) for _ in range(some)]
            for answer in stopped:
                await answer.until(lambda answer=answer: answer.text)
                await tab.stop(answer)
            assert {await answer.ended() for answer in stopped} == {"abort"}
            assert "finish" not in {await answer.ended() for answer in failed}
        assert_promises(site, [*stopped, *failed])
    await eventually(lambda: site.upstream.open_connections == 0, "a connection to the endpoint was kept", wait=30)
    (later,) = await answered(tab, "ok")
    assert (later.text, statuses(site, [later])) == (ANSWER, ["complete"])
