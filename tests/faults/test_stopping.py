"""F26: a stopped answer ends at once, whichever process writes it and wherever the stop comes from."""

import asyncio

import pytest

from tests.faults import pace
from tests.faults.played import LET_GO, begun, let_go, talking
from tests.faults.promises import (
    assert_asked,
    assert_sent_once,
    assert_shown_as_stored,
    heartbeats_updated,
    stored_ending,
)
from tests.faults.visitor import Visitor, asking

SHARED = pytest.mark.parametrize("running_site", pace.SHARED, indirect=True)
HEARTBEAT = pace.chat()["HEARTBEAT"]
"""The heartbeat interval: the delay of a stop that is only in the database."""


async def assert_stopped(site, call, *pages, text, wait=LET_GO):
    """Check that the model call is closed in time, its text is kept, and every page shows that it was stopped."""
    took = await let_go(call, wait)
    for page in pages:
        assert await page.ended() == "abort"
    stored = site.message(pages[0].uid)
    assert (stored.status, stored.text) == ("stopped", text)
    assert_shown_as_stored(site, *pages)
    assert_sent_once(site, pages[0])
    assert_asked(site.upstream, pages[0])
    return took


@pytest.mark.parametrize("said", ["", "Half of it"], ids=["before-the-first-delta", "half-way"])
async def test_f26_a_stop_ends_the_answer_at_once_and_keeps_its_text(site, visitor, said):
    tab = await visitor.open(site[0].port)
    answer, call = await begun(site, tab, *filter(None, [said]))
    await tab.stop(answer)
    await assert_stopped(site, call, answer, text=said)


async def test_f26_a_second_stop_changes_nothing(site, visitor):
    tab = await visitor.open(site[0].port)
    answer, call = await begun(site, tab, "Half of it")
    await tab.stop(answer)
    await tab.stop(answer)
    await assert_stopped(site, call, answer, text="Half of it")
    await tab.stop(answer)
    assert await (await tab.ask(asking("ok"), answer.chat)).ended() == "finish"  # and the socket is well
    assert site.message(answer.uid).status == "stopped"


async def test_f26_a_stop_after_the_end_changes_nothing(site, visitor):
    tab = await visitor.open(site[0].port)
    answer, call = await begun(site, tab, "All of it")
    call.finish()
    assert await answer.ended() == "finish"
    await tab.stop(answer)
    replayed = await tab.join(answer.chat, answer.question)
    await tab.stop(replayed)
    assert await replayed.ended() == "finish"
    replayed.uid = answer.uid
    assert site.message(answer.uid).status == "complete"
    assert_shown_as_stored(site, answer, replayed)
    assert_asked(site.upstream, answer)


async def test_f26_a_stop_sent_with_the_question_works_whenever_it_is_read(site, visitor):
    tab = await visitor.open(site[0].port)
    for _ in range(pace.rounds(3, 50)):
        answer = await tab.ask(asking("gated"))
        await tab.stop(answer)
        assert await answer.ended() == "abort"
        assert site.message(answer.uid).status == "stopped"
        assert_shown_as_stored(site, answer)
        for call in site.upstream.calls_of(answer.question):  # if the model was already called
            await let_go(call)


async def test_f26_a_stop_from_another_tab_ends_the_answer_in_both(site, visitor):
    here, there = await visitor.open(site[0].port), await visitor.open(site[0].port)
    answer, call = await begun(site, here, "Half of it")
    joined = await there.join(answer.chat, answer.question)
    await joined.until(lambda: joined.text == "Half of it")
    await there.stop(joined)
    joined.uid = answer.uid
    await assert_stopped(site, call, answer, joined, text="Half of it")


@SHARED
async def test_f26_a_stop_on_another_process_ends_the_answer_at_once(site, visitor, record_property):
    here = await visitor.open(site[0].port)
    for view in ("text", "html"):
        there = await visitor.open(site[1].port, view)
        answer, call = await begun(site, here, "Half of it")
        joined = await there.join(answer.chat, answer.question)
        await joined.until(lambda joined=joined: "Half of it" in str(joined.frames))
        with site.database.locked():  # the stop goes through Redis, because SQLite accepts no writes now
            await there.stop(joined)
            record_property("stop", await let_go(call))
        joined.uid = answer.uid
        await assert_stopped(site, call, answer, joined, text="Half of it")


@SHARED
async def test_f26_a_stop_on_another_process_reaches_the_answer_while_redis_is_down(
    site, visitor, redis_service, record_property
):
    here, there = await visitor.open(site[0].port), await visitor.open(site[1].port)
    answer, call = await begun(site, here, "Half of it")
    joined = await there.join(answer.chat, answer.question)
    await joined.until(lambda: joined.text == "Half of it")
    redis_service.kill()
    await there.stop(joined)
    joined.uid = answer.uid
    took = await assert_stopped(site, call, answer, joined, text="Half of it", wait=HEARTBEAT + LET_GO)
    record_property("stop", took)


@SHARED
async def test_f26_an_answer_of_a_dead_process_that_is_stopped_ends_as_stopped(site, visitor):
    here, there = await visitor.open(site[0].port), await visitor.open(site[1].port)
    answer, _ = await begun(site, here, "Half of it")
    joined = await there.join(answer.chat, answer.question)
    await joined.until(lambda: joined.text == "Half of it")
    site[0].kill()
    await there.stop(joined)
    joined.uid = answer.uid
    assert (await stored_ending(site, answer, wait=60)).status == "stopped"
    assert await joined.ended() == "abort"
    assert_shown_as_stored(site, joined)


MEMBER = """
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.backends.db import SessionStore
user = get_user_model().objects.create_user("ann", password="x")
session = SessionStore()
session[SESSION_KEY] = str(user.pk)
session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
session[HASH_SESSION_KEY] = user.get_session_auth_hash()
session.save()
print(session.session_key)
"""

DELETION = """
from django.contrib.auth import get_user_model
from chat.models import Conversation
Conversation.objects.get(uid="{}").delete()
get_user_model().objects.get(username="ann").delete()
"""


async def test_f26_a_deleted_conversation_stops_mid_answer_and_does_not_come_back(site, visitor):
    session = (await asyncio.to_thread(site[0].manage, "shell", "-v", "0", "-c", MEMBER)).split()[-1]
    async with Visitor.of(site[0], f"sessionid={session}") as member:
        tabs = [await person.open(site[0].port) for person in (visitor, member)]
        both = [await begun(site, tab, "Half of it") for tab in tabs]
        joined = [
            await (await person.open(site[-1].port, "html")).join(answer.chat)
            for person, (answer, _) in zip((visitor, member), both, strict=True)
        ]
        await asyncio.to_thread(site[-1].manage, "shell", "-v", "0", "-c", DELETION.format(both[0][0].chat))
        async with talking([call for _, call in both]):  # so that silence is not what ends them
            for _, call in both:
                await let_go(call, HEARTBEAT + LET_GO)
            await both[0][0].ended()
        await joined[0].until(lambda: joined[0].over)
        assert joined[0].code == "lost"
        assert [await tab.closed() for tab in member.tabs] == [4410, 4410], "those of a deleted user are closed"
        await heartbeats_updated(site)
        for answer, _ in both:
            assert site.stored(answer.chat) == []
        assert await (await tabs[0].join(joined[0].chat)).ended() == "None"
    assert site.database.rows("SELECT id FROM llm_chat_conversation WHERE uid = %s", both[1][0].chat) == []
