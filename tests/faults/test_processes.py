"""F19 to F24: answers and their readers when processes are killed, suspended or restarted."""

import asyncio
import time
import urllib.error
import urllib.request

import pytest

from tests.faults import pace
from tests.faults.played import begun, call_of, let_go, talking
from tests.faults.promises import (
    assert_asked,
    assert_plain_errors,
    assert_sent_once,
    assert_shown_as_stored,
    eventually,
    heartbeats_updated,
    stored_ending,
)
from tests.faults.visitor import fresh

RECOVERY = pace.seconds(30.0 + 2 * 2.0) + pace.longer(3.0, 8.0)
"""PROCESS_TIMEOUT, two heartbeats, and some room for a busy machine."""

SHARED = pytest.mark.parametrize("running_site", pace.SHARED, indirect=True)
ALONE = pytest.mark.parametrize("running_site", ["memory"], indirect=True)


@SHARED
async def test_f19_readers_of_a_killed_process_follow_the_same_run_on_another(site, visitor):
    here = await visitor.open(site[0].port)
    answer, call = await begun(site, here, "Begun. ")
    tabs = [await visitor.open(site[1].port, view) for view in ("text", "html")]
    readers = [await tab.join(answer.chat, answer.question) for tab in tabs]
    for reader in readers:
        await reader.until(lambda reader=reader: "Begun" in (reader.text or str(reader.frames)))
    async with talking([call]):
        site[1].kill()
        for tab, reader in zip(tabs, readers, strict=True):
            await tab.closed()
            await tab.reconnect(site[0].port)
            heard = len(reader.frames)
            await tab.resume(reader)
            await reader.until(lambda reader=reader, heard=heard: len(reader.frames) > heard + 3)
        await asyncio.to_thread(site[1].start)  # a process that starts must not end what runs elsewhere
        await heartbeats_updated(site)
    assert site.message(answer.uid).status == "running"
    call.finish()
    assert {await each.ended() for each in [answer, *readers]} == {"finish"}
    for reader in readers:
        reader.uid = answer.uid
    assert_shown_as_stored(site, answer, *readers)
    assert_sent_once(site, answer)
    assert_asked(site.upstream, answer)


async def killed_at_three_moments(site, tab, watching):
    """Kill the first process with three answers: one at its first delta, one half way, one before its final write.

    Return the answers, and what a reader on another process has seen of each.
    """
    half, second = await begun(site, tab, "Half, ")
    whole, third = await begun(site, tab, "All that ", "there is.")
    await eventually(lambda: site.message(half.uid).text and site.message(whole.uid).text, "no checkpoint", 10)
    first, call = await begun(site, tab)
    answers = [first, half, whole]
    watchers = [await watching.join(answer.chat, answer.question) for answer in answers]
    with site.database.locked():  # the final write waits, and on SQLite every checkpoint
        third.finish()
        call.say("First")
        second.say("no more")
        for answer, watcher in zip(answers, watchers, strict=True):
            said = {first: "First", half: "Half, no more", whole: "All that there is."}[answer]
            await watcher.until(lambda watcher=watcher, said=said: watcher.text == said)
        await watchers[2].until(lambda: watchers[2].frames[-1]["chunk"]["type"] == "text-end")
        site[0].kill()
    return answers, watchers


async def come_back(tab, answers, port):
    """Follow all answers of a page to their ends, on a new socket if the page has lost its own."""
    if tab.lost:
        await tab.reconnect(port)
        for answer in answers:
            await tab.resume(answer)
    for answer in answers:
        await answer.ended()


async def clicked(site, tab, answer, *, go_on, say="again."):
    """Press "Retry" or "Continue" twice, like a page that lost the first reply, and return the new answer."""
    attempt = fresh("t")
    again, repeated = [await tab.regenerate(answer, attempt, **{"continue": go_on}) for _ in range(2)]
    call = await call_of(site, answer, attempt=2)
    call.say(say)
    call.finish()
    assert [await again.ended(), await repeated.ended()] == ["finish", "finish"]
    assert again.uid == repeated.uid != answer.uid
    assert_shown_as_stored(site, again, repeated)
    assert_asked(site.upstream, answer, times=2)
    return again


async def test_f20_answers_of_a_killed_process_end_as_interrupted_with_their_text(site, visitor, record_property):
    tab, watching = await visitor.open(site[0].port), await visitor.open(site[-1].port)
    answers, watchers = await killed_at_three_moments(site, tab, watching)
    killed = time.monotonic()
    if len(site) == 1:
        await asyncio.to_thread(site[0].start)
    for answer, watcher in zip(answers, watchers, strict=True):
        stored = await stored_ending(site, answer, wait=RECOVERY)
        record_property("recovery", time.monotonic() - killed)
        assert (stored.status, stored.error) == ("interrupted", "interrupted")
        assert watcher.text.startswith(stored.text)
        # Another process can only show what had left the killed one; a single process keeps its last checkpoint.
        assert stored.text == watcher.text or len(site) == 1
        assert stored.text or answer is answers[0]
        watcher.uid = answer.uid
    for page, some in ((tab, answers), (watching, watchers)):
        await come_back(page, some, site[-1].port)
        assert {answer.code for answer in some} == {"interrupted"}
        assert_shown_as_stored(site, *some)
    for answer in answers:
        assert_sent_once(site, answer)
        assert_asked(site.upstream, answer)
    kept = {answer: answer.text for answer in answers}
    assert (await clicked(site, tab, answers[0], go_on=False)).text == "again."
    for answer in answers[1:]:
        assert (await clicked(site, tab, answer, go_on=True)).text == kept[answer] + "again."
    assert_plain_errors(site, [*answers, *watchers])


@pytest.mark.parametrize("running_site", ["redis-sqlite"], indirect=True)
async def test_f20_the_checkpoint_is_kept_when_redis_has_lost_the_stream(site, visitor, redis_service):
    tab = await visitor.open(site[0].port)
    answer, call = await begun(site, tab, "Kept. ")
    redis_service.kill()
    call.say("Kept as well.")
    await eventually(lambda: site.message(answer.uid).text == "Kept. Kept as well.", "no checkpoint", 10)
    site[0].kill()
    redis_service.start()
    stored = await stored_ending(site, answer, wait=RECOVERY)
    assert (stored.status, stored.text) == ("interrupted", "Kept. Kept as well.")
    await come_back(tab, [answer], site[1].port)
    assert_shown_as_stored(site, answer)
    assert_asked(site.upstream, answer)


@SHARED
async def test_f20_a_suspended_process_adds_nothing_to_answers_that_others_have_ended(site, visitor):
    tab, watching = await visitor.open(site[0].port), await visitor.open(site[1].port)
    answer, call = await begun(site, tab, "Before.")
    watcher = await watching.join(answer.chat, answer.question)
    await watcher.until(lambda: watcher.text == "Before.")
    site[0].pause()
    call.say("While it slept.")
    stored = await stored_ending(site, answer, wait=RECOVERY)
    assert (stored.status, stored.text) == ("interrupted", "Before.")
    site[0].resume()
    async with talking([call]):  # so that silence is not what ends it
        await let_go(call)
    await heartbeats_updated(site)
    assert await watcher.ended() == "error"
    await answer.until(lambda: answer.over)
    if answer.code == "lost":  # what it had read from the model is not what was stored
        await tab.reconnect(site[0].port)
        await tab.resume(answer)
        await answer.ended()
    watcher.uid = answer.uid
    assert site.message(answer.uid) == stored
    assert_shown_as_stored(site, answer, watcher)
    assert_asked(site.upstream, answer)


@pytest.mark.parametrize("running_site", ["redis-postgres"], indirect=True)
async def test_f20_a_process_that_is_suspended_in_a_transaction_does_not_block_the_others(site, visitor):
    tab = await visitor.open(site[0].port)
    answer, call = await begun(site, tab, "Before.")
    with site.database.locked():
        call.finish()  # the transaction of its end waits for the lock
        await answer.until(lambda: answer.frames[-1]["chunk"]["type"] == "text-end")
        await eventually(site.database.waits, "no transaction waits for the lock", 10)
        site[0].pause()
    stored = await stored_ending(site, answer, wait=RECOVERY)  # PostgreSQL has ended the transaction
    assert (stored.status, stored.text) == ("interrupted", "Before.")
    site[0].resume()
    await heartbeats_updated(site)


@pytest.mark.parametrize("running_site", ["redis-sqlite"], indirect=True)
async def test_f20_an_operator_ends_abandoned_answers_when_no_process_runs(site, visitor):
    tab = await visitor.open(site[0].port)
    answer, _ = await begun(site, tab, "All of it.")
    alive = await asyncio.to_thread(site[1].manage, "chat_recover")
    assert alive.startswith("0 answers")  # it ends nothing whose process is alive
    for process in site.processes:
        process.kill()
    site.set_clocks(0, -HOUR)
    said = await asyncio.to_thread(site[1].manage, "chat_recover")
    assert said.startswith("1 answers")
    stored = site.message(answer.uid)
    assert (stored.status, stored.text) == ("interrupted", "All of it.")
    await asyncio.to_thread(site[0].start)
    await come_back(tab, [answer], site[0].port)
    assert_shown_as_stored(site, answer)
    assert (await clicked(site, tab, answer, go_on=True)).text == "All of it.again."


HOUR = 3600.0
CLOCKS = {
    "back": (-HOUR, -HOUR),
    "the second behind": (0.0, -HOUR),
    "the first behind": (-HOUR, 0.0),
    "forward": (HOUR, HOUR),
}
"""The time that each of the two processes, and its database, is set to, in seconds from the real time."""


async def wait_for_heartbeats(site, process, times):
    """Wait until a process has updated its heartbeat ``times`` times."""
    query, seen = "SELECT heartbeat_at FROM llm_chat_process WHERE pid = %s", set()

    def counted():
        seen.update(site.database.rows(query, process.process.pid))
        return len(seen) > times

    await eventually(counted, f"only {len(seen)} heartbeats were written", 3 * RECOVERY)


@pytest.mark.parametrize("clocks", list(CLOCKS)[: pace.rounds(2, 4)])
@pytest.mark.parametrize("running_site", pace.SHARED_ON_SQLITE, indirect=True)
async def test_a05_a_step_of_the_clock_ends_no_living_process_and_hides_no_dead_one(site, visitor, clocks):
    tabs = [await visitor.open(process.port) for process in site.processes]
    doomed, first = await begun(site, tabs[0], "Half.")
    living, second = await begun(site, tabs[1], "Whole.")
    async with talking([first, second]):
        site.set_clocks(*CLOCKS[clocks])
        times = round(1.1 * pace.chat()["PROCESS_TIMEOUT"] / pace.chat()["HEARTBEAT"])
        await asyncio.gather(*[wait_for_heartbeats(site, process, times) for process in site.processes])
        assert [site.message(answer.uid).status for answer in (doomed, living)] == ["running", "running"]
        site[0].kill()
        assert (await stored_ending(site, doomed, wait=RECOVERY)).status == "interrupted"
        assert site.message(living.uid).status == "running"
    second.finish()
    assert await living.ended() == "finish"
    assert_shown_as_stored(site, living)


@pytest.mark.parametrize("running_site", pace.SHARED_ON_SQLITE, indirect=True)
async def test_a05_a_process_that_dies_just_after_the_clock_was_set_back_is_found_in_time(site, visitor):
    tab = await visitor.open(site[0].port)
    answer, _ = await begun(site, tab, "Half.")
    await eventually(lambda: site.message(answer.uid).text, "no checkpoint", 10)
    site.set_clocks(-HOUR, -HOUR)
    site[0].kill()  # its heartbeat is now an hour ahead
    stored = await stored_ending(site, answer, wait=RECOVERY)
    assert (stored.status, stored.text) == ("interrupted", "Half.")


def health(process):
    """Return the status and the text of the health check."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{process.port}/healthz") as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@ALONE
async def test_two_processes_with_streams_in_memory_are_reported(site):
    assert await asyncio.to_thread(health, site[0]) == (200, "ok\n")
    second = await asyncio.to_thread(site.add)
    try:
        for process in site.processes:
            await eventually(lambda process=process: health(process)[0] == 503, "/healthz did not answer 503", RECOVERY)
            assert 'set CHAT["REDIS_URL"]' in health(process)[1]
        said = [line for line in site.log.splitlines() if "1 more processes run on this database" in line]
        assert len(said) == 2
        assert all(" ERROR chat." in line for line in said)
    finally:
        await asyncio.to_thread(second.close)
        site.processes.remove(second)
    await eventually(lambda: health(site[0])[0] == 200, "/healthz still does not answer 200", RECOVERY)
