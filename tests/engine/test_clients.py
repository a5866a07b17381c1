"""A process that only asks, beside a server on the same database without Redis."""

import asyncio
import io
import logging
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.core.management import call_command
from django.utils import timezone

from chat.db.answers import End, Written, finish
from chat.db.processes import register, update_heartbeat
from chat.db.turns import ask
from chat.db.values import Ask, Writer
from chat.endings import COMPLETE
from chat.engine import background
from chat.models import PROCESS_LENGTH, Conversation, Message, Process
from chat.owners import UNKEPT_KEY, Owner
from chat.parts import TextPart
from tests.support.upstream import eventually

ANN = Owner("visitor:ann")


@pytest.fixture
def quick(script, settings):
    """A site in which a client that the test plays soon counts as dead."""
    settings.CHAT = {**settings.CHAT, "HEARTBEAT": 0.05, "PROCESS_TIMEOUT": 0.6}
    return script


@pytest.fixture
def patient(script, settings):
    """A site in which it does not, though it writes no heartbeats."""
    settings.CHAT = {**settings.CHAT, "HEARTBEAT": 0.05, "PROCESS_TIMEOUT": 60.0}
    return script


async def beats(engine, count=3):
    """Wait for some heartbeats of an engine."""
    for _ in range(count):
        before = engine.heartbeat._watch._looked
        await eventually(lambda before=before: engine.heartbeat._watch._looked != before)


@sync_to_async
def client_asks(uid="c1", text="", process="client", owner=ANN):
    """Store what a client has written of an answer so far; return the answer."""
    if not Process.objects.filter(pk=process).exists():
        register(process, alone=True, client=True)
    answer = ask(Ask(owner, uid, "m1", "Why?"), Writer(process, "scripted", 1000)).answer
    update_heartbeat(process, [Written(answer.pk, (TextPart(text),))] if text else [], client=True)
    return answer


@sync_to_async
def client_writes(answer, text):
    update_heartbeat("client", [Written(answer.pk, (TextPart(text),))], client=True)


@sync_to_async
def client_ends(answer, text):
    assert finish("client", Written(answer.pk, (TextPart(text),)), End(COMPLETE))


@sync_to_async
def status_of(answer):
    return Message.objects.values_list("status", flat=True).get(pk=answer.pk)


async def test_a_server_starts_beside_a_living_client_and_ends_its_answer_when_it_is_dead(quick, served, caplog):
    caplog.set_level(logging.ERROR)
    answer = await client_asks(text="Because")
    await served.start()
    for _ in range(15):  # longer than PROCESS_TIMEOUT
        await client_writes(answer, "Because")
        await asyncio.sleep(0.05)
    assert await status_of(answer) == "running"
    assert served.heartbeat.others == 0
    assert (served.problems, caplog.messages) == ([], [])

    async def ended():
        while await status_of(answer) == "running":  # noqa: ASYNC110 (the database has no event)
            await asyncio.sleep(0.02)

    await asyncio.wait_for(ended(), 3)
    found = await Message.objects.aget(pk=answer.pk)
    assert (found.status, found.text) == ("interrupted", "Because")
    assert (await Conversation.objects.aget()).running_id is None


async def test_an_answer_whose_client_has_no_row_any_more_is_ended_too(quick, served):
    answer = await client_asks()
    await Process.objects.all().adelete()
    await Message.objects.filter(pk=answer.pk).aupdate(process_id=None)
    await served.start()  # as before: nobody is writing it
    assert await status_of(answer) == "interrupted"


async def test_what_a_dead_client_has_asked_and_not_kept_is_removed_and_what_was_kept_stays(quick, served, monkeypatch):
    monkeypatch.setattr("chat.engine.heartbeat.PRUNE_AFTER", 1)
    process = "c" * PROCESS_LENGTH
    await client_asks(process=process, owner=Owner(UNKEPT_KEY), uid=f"{process}-abc")
    kept = await client_asks(process=process)
    await served.start()

    async def removed():
        while await Conversation.objects.filter(owner=UNKEPT_KEY).aexists():  # noqa: ASYNC110 (as above)
            await asyncio.sleep(0.02)

    await asyncio.wait_for(removed(), 5)
    assert await status_of(kept) == "interrupted"
    assert not await Message.objects.exclude(conversation__owner=ANN.key).aexists()


async def test_the_command_ends_the_answers_of_a_dead_client_where_no_server_runs(quick, transactional_db):
    answer = await client_asks(text="Because")
    out = io.StringIO()
    await sync_to_async(call_command)("chat_recover", stdout=out)
    assert (out.getvalue()[:9], await status_of(answer)) == ("1 answers", "interrupted")


async def test_a_page_follows_the_answer_of_a_client_by_its_checkpoints(patient, connect, served):
    await served.start()
    socket = await connect("ann")
    answer = await client_asks(text="Because")
    event = await socket.frame("conversation")
    assert (event["event"], event["message"], event["title"]) == ("run-started", answer.uid, "Why?")
    request = await socket.resume()
    assert (await socket.chunk(request, "text-delta"))["delta"] == "Because"
    await client_writes(answer, "Because it is")
    assert (await socket.chunk(request, "text-delta"))["delta"] == " it is"
    await client_ends(answer, "Because it is so.")
    chunks = await socket.chunks(request)
    assert [chunk["type"] for chunk in chunks] == ["text-delta", "text-end", "finish-step", "finish"]
    assert chunks[0]["delta"] == " so."
    assert (await socket.frame("conversation"))["event"] == "run-started"
    assert (await socket.frame("conversation"))["event"] == "run-ended"


async def test_a_page_in_html_follows_it_too_and_shows_no_end_before_there_is_one(patient, connect, served):
    await served.start()
    socket = await connect("ann")
    answer = await client_asks()
    await socket.frame("conversation")
    request = await socket.resume(body={"view": "html"})
    for status in ("complete", "running"):  # the question, then the answer
        assert (await socket.chunk(request, "data-message"))["data"]["status"] == status
    await client_writes(answer, "Because")
    assert "Because" in (await socket.chunk(request, "data-patch"))["data"]["html"]
    await client_ends(answer, "Because.")
    end = await socket.chunk(request, "data-message-end")
    assert end["data"]["status"] == "complete"


async def test_an_answer_that_began_and_ended_between_two_heartbeats_is_told_once(patient, connect, served):
    await served.start()
    socket = await connect("ann")
    answer = await client_asks()
    await client_ends(answer, "Because.")
    started, ended = await socket.frame("conversation"), await socket.frame("conversation")
    assert (started["event"], ended["event"], ended["message"]) == ("run-started", "run-ended", answer.uid)
    row = await Conversation.objects.aget(pk=answer.conversation_id)
    # The list of the page is sorted by the time of the answer, not by that of the heartbeat which finds it.
    assert started["updated"] == ended["updated"] == row.updated_at.timestamp()
    await beats(served)
    assert await socket.communicator.receive_nothing(0.05)


async def test_an_answer_of_this_process_is_told_once_and_one_that_was_read_stays_read(patient, connect, served):
    socket = await connect("ann")
    request = await socket.ask("One")
    (await patient.anext_reply()).finish()
    await socket.rest(request)
    kinds = [(await socket.frame("conversation"))["event"] for _ in range(2)]
    assert kinds == ["run-started", "run-ended"]
    await beats(served)
    assert await socket.communicator.receive_nothing(0.05)


async def test_a_stop_on_the_page_reaches_the_client_by_the_answers_row(patient, connect, served):
    await served.start()
    socket = await connect("ann")
    answer = await client_asks(text="Because")
    request = await socket.resume()
    await socket.chunk(request, "text-delta")
    await socket.abort(request)

    async def asked():
        while not (await Message.objects.aget(pk=answer.pk)).stopping:  # noqa: ASYNC110 (as above)
            await asyncio.sleep(0.02)

    await asyncio.wait_for(asked(), 3)
    assert answer.pk in (await sync_to_async(update_heartbeat)("client", [], client=True)).stopping


async def test_a_text_client_that_resumes_a_followed_answer_gets_what_follows(patient, connect, served):
    await served.start()
    socket = await connect("ann")
    answer = await client_asks(text="Because")
    request = await socket.resume()
    frame = await socket.frame(request)
    while frame["type"] != "chunk" or frame["chunk"]["type"] != "text-delta":
        frame = await socket.frame(request)
    other = await connect("ann")
    body = {"messageId": answer.uid}
    request = await other.resume(body=body, lastSequence=frame["sequence"])
    assert (await other.frame(request))["type"] == "start"
    await beats(served)  # the request follows the answer by then
    await client_ends(answer, "Because it is so.")
    assert (await other.chunks(request))[0]["delta"] == " it is so."


async def test_a_conversation_of_a_client_that_is_deleted_ends_its_copies(patient, connect, served):
    await served.start()
    socket = await connect("ann")
    await client_asks(text="Because")
    request = await socket.resume()
    await socket.chunk(request, "text-delta")
    await Conversation.objects.all().adelete()
    assert (await socket.rest(request))[-1]["code"] == "lost"
    assert served.streams.replicas == []


async def test_a_client_recovers_and_removes_nothing_and_counts_nobody(quick, transactional_db, caplog):
    old = timezone.now() - timedelta(days=1)
    for name in ("dead", "server"):
        times = {"started_at": old, "heartbeat_at": old}
        await Process.objects.acreate(id=name, host="h", pid=1, client=name == "dead", **times)
    await Conversation.objects.acreate(owner="visitor:bob", uid="gone", updated_at=old, deleted_at=old)
    answer = await sync_to_async(_dead_answer)()

    async def find_it_dead(engine):
        await engine.start()
        await eventually(lambda: engine.heartbeat._watch.stalled() == {"dead", "server"})
        await beats(engine)

    try:
        await background.run_async(find_it_dead)
    finally:
        await asyncio.to_thread(background.close)
    assert await status_of(answer) == "running"
    assert await Conversation.objects.filter(uid="gone").aexists()
    assert "more processes" not in caplog.text


def _dead_answer():
    return ask(Ask(ANN, "c1", "m1", "Why?"), Writer("dead", "scripted", 1000)).answer
