"""The life of a process: its row, its heartbeat, its end, and the answers that an earlier one left."""

import asyncio
import contextvars
import threading

import pytest
from asgiref.sync import sync_to_async
from django.db import DatabaseError
from django.utils import timezone

from chat.backends.base import Loading
from chat.backends.scripted import ScriptedBackend
from chat.db.answers import finish
from chat.db.processes import update_heartbeat
from chat.db.turns import ask
from chat.engine.engine import State, engine
from chat.models import Conversation, Message, Process


async def eventually(condition):
    """Wait up to 5 s until a condition on the database holds, and return what it found."""
    async with asyncio.timeout(5):
        while not (found := await sync_to_async(condition)()):  # noqa: ASYNC110 - a condition on the database
            await asyncio.sleep(0.005)
    return found


async def test_a_running_answer_is_checkpointed_with_the_heartbeat(script, connect):
    socket = await connect()
    await socket.ask("Tell me")
    (await script.anext_reply()).say("so far")
    message = await eventually(lambda: Message.objects.filter(role="assistant", text="so far").first())
    assert (message.status, message.parts) == ("running", [{"type": "text", "text": "so far"}])
    process = await Process.objects.aget()
    assert message.process_id == process.pk
    await eventually(lambda: Process.objects.filter(heartbeat_at__gt=process.heartbeat_at).exists())


async def test_an_answer_that_was_taken_over_stops_at_once_and_writes_nothing(script, connect, caplog):
    socket = await connect()
    request = await socket.ask("Tell me")
    reply = await script.anext_reply()
    reply.say("mine")
    await socket.chunk(request, "text-delta")
    await Message.objects.filter(role="assistant").aupdate(process=None, status="interrupted", text="theirs")
    assert await socket.error(request) == "lost"
    assert reply.closed.is_set()
    assert (await Message.objects.aget(role="assistant")).text == "theirs"
    assert "taken over" in caplog.text


async def test_a_heartbeat_under_way_does_not_restore_the_row_of_an_ended_process(script, served, monkeypatch):
    begun, release = threading.Event(), threading.Event()

    def slow(*args, **options):
        begun.set()
        release.wait(5)
        return update_heartbeat(*args, **options)

    await served.start()
    monkeypatch.setattr("chat.engine.heartbeat.update_heartbeat", slow)
    assert await asyncio.to_thread(begun.wait, 5)
    monkeypatch.setattr("chat.engine.heartbeat.update_heartbeat", update_heartbeat)
    draining = asyncio.create_task(served.drain())
    await asyncio.wait([draining], timeout=0.1)
    release.set()
    await draining
    assert not await Process.objects.aexists()


async def test_a_starting_process_ends_the_answers_that_the_previous_one_left(script, served):
    process = await Process.objects.acreate(
        id="gone", host="h", pid=1, started_at=timezone.now(), heartbeat_at=timezone.now()
    )
    conversation = await Conversation.objects.acreate(owner="visitor:ann", uid="c1", updated_at=timezone.now())
    answer = await Message.objects.acreate(
        conversation=conversation, uid="a1", role="assistant", status="running", text="half", process=process
    )
    await Conversation.objects.aupdate(running=answer)
    await served.start()
    await answer.arefresh_from_db()
    assert (answer.status, answer.error, answer.text) == ("interrupted", "interrupted", "half")
    assert await Conversation.objects.filter(running=None).acount() == 1
    assert [row.pk async for row in Process.objects.all()] == [served.process]


async def test_a_stopping_process_ends_its_answers_as_interrupted_with_their_text(script, connect):
    socket = await connect()
    request = await socket.ask("Tell me")
    reply = await script.anext_reply()
    reply.say("so far")
    await socket.chunk(request, "text-delta")
    await engine().drain()
    assert reply.closed.is_set()
    answer = await Message.objects.aget(role="assistant")
    assert (answer.status, answer.text) == ("interrupted", "so far")
    assert not await Process.objects.aexists()


async def test_a_stopping_process_lets_its_answers_finish_and_takes_no_new_ones(script, connect):
    socket = await connect()
    request = await socket.ask("Tell me")
    reply = await script.anext_reply()
    draining = asyncio.create_task(engine().drain())
    await asyncio.sleep(0)
    assert await socket.error(await socket.ask("More", chat="c2")) == "draining"
    reply.say("whole")
    reply.finish()
    await draining
    assert (await socket.chunks(request))[-1]["type"] == "finish"
    assert not await Conversation.objects.filter(uid="c2").aexists()


async def test_the_stream_of_an_ended_answer_is_discarded_after_a_while(script, connect, settings, served):
    settings.CHAT = {**settings.CHAT, "STREAM_RETENTION": 0.01}
    socket = await connect()
    request = await socket.ask("Tell me")
    (await script.anext_reply()).finish()
    await socket.chunks(request)
    answer = await Message.objects.aget(role="assistant")
    await eventually(lambda: served.stream_of(answer) is None)


def test_without_an_event_loop_the_error_names_asgi():
    with pytest.raises(RuntimeError, match="ASGI"):
        engine()


async def test_a_run_does_not_inherit_the_context_of_a_request(served):
    inherited = contextvars.ContextVar("inherited", default="nothing")
    inherited.set("a request's")

    async def look():
        return inherited.get()

    assert await served.tasks.spawn(look()) == "nothing"


async def test_an_answer_that_cannot_be_written_is_reported_as_unsaved_and_saved_when_the_database_is_back(
    script, connect, monkeypatch, caplog
):
    tries = []

    def fail(*_args):
        tries.append(1)
        raise DatabaseError("the disk is full")

    socket = await connect()
    request = await socket.ask("Tell me")
    reply = await script.anext_reply()
    with monkeypatch.context() as away:
        away.setattr("chat.engine.run.finish", fail)
        away.setattr("chat.engine.heartbeat.finish", fail)
        reply.say("Lost?")
        reply.finish()
        frames = await socket.rest(request)
    assert frames[-2]["code"] == "not_saved"
    assert len(tries) > 2
    assert "could not be written" in caplog.text
    answer = await eventually(lambda: Message.objects.filter(role="assistant", status="complete").first())
    assert answer.text == "Lost?"
    await socket.ask("And now?", message="m2")
    await script.anext_reply()


async def test_an_answer_is_saved_by_the_second_attempt_if_the_first_fails(script, connect, monkeypatch):
    tries = []

    def fail_once(*args):
        tries.append(1)
        if len(tries) == 1:
            raise DatabaseError("the connection is gone")
        return finish(*args)

    monkeypatch.setattr("chat.engine.run.finish", fail_once)
    socket = await connect()
    request = await socket.ask("Tell me")
    reply = await script.anext_reply()
    reply.say("Kept")
    reply.finish()
    assert (await socket.chunks(request))[-1]["type"] == "finish"
    assert (await Message.objects.aget(role="assistant")).text == "Kept"


async def test_a_request_that_fails_in_the_database_is_refused_and_the_next_one_works(script, connect, monkeypatch):
    def fail(*_args):
        raise DatabaseError("the database is gone")

    socket = await connect()
    with monkeypatch.context() as broken:
        broken.setattr("chat.engine.start.ask", fail)
        assert await socket.error(await socket.ask("Tell me")) == "storage"
    request = await socket.ask("Tell me")
    (await script.anext_reply()).finish()
    assert (await socket.chunks(request))[-1]["type"] == "finish"


async def test_a_backend_that_ignores_its_cancellation_cannot_keep_the_process_alive(
    script, connect, monkeypatch, caplog, settings
):
    settings.CHAT = {**settings.CHAT, "GRACE_PERIOD": 0.05}

    async def clutch(self, request):
        try:
            yield Loading()
            await asyncio.Event().wait()
        finally:
            await asyncio.Event().wait()

    monkeypatch.setattr(ScriptedBackend, "stream", clutch)
    socket = await connect()
    await socket.chunk(await socket.ask("Tell me"), "data-status")
    await engine().drain()
    assert "given up" in caplog.text
    assert (await Message.objects.aget(role="assistant")).status == "interrupted"


async def test_an_answer_whose_commit_was_not_acknowledged_is_shown_as_it_is_stored(script, connect, monkeypatch):
    tries = []

    def lose_the_first(*args):
        done = finish(*args)
        tries.append(1)
        if len(tries) == 1:
            raise DatabaseError("the connection is gone")
        return done

    monkeypatch.setattr("chat.engine.run.finish", lose_the_first)
    socket = await connect()
    request = await socket.ask("Tell me")
    reply = await script.anext_reply()
    reply.say("Whole")
    reply.finish()
    assert (await socket.chunks(request))[-1]["type"] == "finish"
    assert (await Message.objects.aget(role="assistant")).status == "complete"


async def test_an_answer_without_a_run_is_ended_and_frees_its_conversation(script, connect, monkeypatch):
    def lose(*args):
        ask(*args)
        raise DatabaseError("the acknowledgement of the commit is lost")

    socket = await connect()
    with monkeypatch.context() as broken:
        broken.setattr("chat.engine.start.ask", lose)
        assert await socket.error(await socket.ask("Tell me")) == "storage"
    await eventually(lambda: Message.objects.filter(role="assistant", status="interrupted").exists())
    request = await socket.regenerate(attempt="again")
    (await script.anext_reply()).finish()
    assert (await socket.chunks(request))[-1]["type"] == "finish"


async def test_an_answer_that_starts_during_a_heartbeat_is_left_alone(script, connect, monkeypatch, served):
    asked, release = threading.Event(), threading.Event()

    def slow_heartbeat(*args, **options):
        found = update_heartbeat(*args, **options)
        asked.set()
        release.wait(5)
        return found

    monkeypatch.setattr("chat.engine.heartbeat.update_heartbeat", slow_heartbeat)
    socket = await connect()
    assert await asyncio.to_thread(asked.wait, 5)
    request = await socket.ask("Tell me")
    reply = await script.anext_reply()
    release.set()
    asked.clear()
    assert await asyncio.to_thread(asked.wait, 5)
    reply.finish()
    assert (await socket.chunks(request))[-1]["type"] == "finish"


async def test_a_process_whose_row_was_removed_writes_it_again_and_logs_it(script, connect, served, caplog):
    socket = await connect()
    await served.start()
    await Process.objects.all().adelete()
    await eventually(lambda: Process.objects.exists())
    request = await socket.ask("Tell me")
    (await script.anext_reply()).finish()
    assert (await socket.chunks(request))[-1]["type"] == "finish"
    assert "does another process run" in caplog.text


async def test_a_question_that_is_being_stored_when_the_shutdown_begins_is_answered(
    script, connect, served, monkeypatch, settings
):
    settings.CHAT = {**settings.CHAT, "GRACE_PERIOD": 5.0}
    begun, release = threading.Event(), threading.Event()
    monkeypatch.setattr("chat.engine.start.ask", lambda *args: begun.set() or (release.wait(5) and ask(*args)))
    socket = await connect()
    request = await socket.ask("Tell me")
    assert await asyncio.to_thread(begun.wait, 5)
    draining = asyncio.create_task(served.drain())
    await asyncio.sleep(0)
    assert served.draining
    release.set()
    (await script.anext_reply()).finish()
    assert (await socket.chunks(request))[-1]["type"] == "finish"
    await draining
    assert (await Message.objects.aget(role="assistant")).status == "complete"


async def test_a_question_stored_after_the_grace_period_is_not_sent_to_the_model(
    script, connect, served, monkeypatch, settings
):
    settings.CHAT = {**settings.CHAT, "GRACE_PERIOD": 0.2}
    begun, release = threading.Event(), threading.Event()
    monkeypatch.setattr("chat.engine.start.ask", lambda *args: begun.set() or (release.wait(5) and ask(*args)))
    socket = await connect()
    await socket.ask("Tell me")
    assert await asyncio.to_thread(begun.wait, 5)
    draining = asyncio.create_task(engine().drain())
    await eventually(lambda: served.state is State.ENDING)
    release.set()
    await draining
    assert script.waiting == 0
    assert (await Message.objects.aget(role="assistant")).status == "interrupted"


async def test_a_process_ends_cleanly_without_its_database(script, served, monkeypatch, caplog):
    def fail(*_args):
        raise DatabaseError("away")

    await served.start()
    monkeypatch.setattr("chat.engine.engine.deregister", fail)
    await served.drain()
    assert "could not remove its row from the database" in caplog.text
