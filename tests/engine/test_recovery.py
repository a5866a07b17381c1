"""The recovery of the answers of a process that died."""

import asyncio
import io
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.core.management import call_command
from django.db import DatabaseError, connection
from django.utils import timezone

from chat.chunks import Error, Start, StartStep
from chat.db.processes import abandoned
from chat.engine.recovery import recover
from chat.models import Conversation, Message, Process
from chat.parts import TextDelta, TextEnd, TextStart
from chat.prometheus import ANSWERS
from chat.streams.base import StreamKey
from chat.streams.redis.streams import RedisStreams
from tests.conftest import chat_settings
from tests.engine.test_engine import eventually
from tests.support.upstream import eventually as holds

OPENING = [Start("a1"), StartStep(), TextStart("0")]


@pytest.fixture
def shared(script, settings, redis_server):
    """A site whose processes share their streams."""
    times = {"PROCESS_TIMEOUT": 0.6, "HEARTBEAT": 0.05}
    settings.CHAT = {**settings.CHAT, "REDIS_URL": redis_server.url, **times}
    return script


DEAD = {"gone"}
"""The process that was writing the answers of these tests."""


async def running_answer(text="", age=60.0, **columns):
    """Store a running answer of a process whose heartbeat is ``age`` seconds old; negative: in the future."""
    at = timezone.now() - timedelta(seconds=age)
    process = await Process.objects.acreate(id="gone", host="h", pid=1, started_at=at, heartbeat_at=at)
    conversation = await Conversation.objects.acreate(owner="visitor:ann", uid="c1", updated_at=at)
    parts = [{"type": "text", "text": text}] if text else []
    answer = await Message.objects.acreate(
        conversation=conversation,
        uid="a1",
        role="assistant",
        status="running",
        text=text,
        parts=parts,
        process=process,
        **columns,
    )
    await Conversation.objects.aupdate(running=answer)
    return answer


async def left_in_redis(redis_streams, answer, *texts):
    """Write the stream that the dead process has left in Redis."""
    dead = await redis_streams("gone")
    stream = dead.open(StreamKey(answer.pk))
    for chunk in [*OPENING, *(TextDelta("0", text) for text in texts)]:
        stream.append(chunk)
    await holds(lambda: not stream.behind)
    return stream


@pytest.fixture
async def redis_streams(shared, settings):
    """Make the streams of other processes of the site."""
    made = []

    async def make(name):
        made.append(RedisStreams())
        await made[-1].start(name, lambda answer: None)
        return made[-1]

    yield make
    for streams in made:
        await streams.finish()


@pytest.mark.parametrize("age", [60.0, 0.0, -3600.0])
async def test_a05_another_process_ends_the_answers_of_a_dead_one_whatever_its_clock_said(
    shared, served, caplog, age, monkeypatch
):
    monkeypatch.setattr("chat.engine.heartbeat.PRUNE_AFTER", 1)
    counted: dict[tuple[str, ...], float] = {}
    monkeypatch.setattr(ANSWERS, "_values", counted)
    answer = await running_answer("half", age)
    await served.start()
    await eventually(lambda: Message.objects.filter(status="interrupted").exists())
    await answer.arefresh_from_db()
    assert (answer.error, answer.text, answer.process_id) == ("interrupted", "half", None)
    assert answer.ended_at is not None
    assert counted == {("default", "interrupted", "interrupted"): 1}
    assert await Conversation.objects.filter(running=None).acount() == 1
    await eventually(lambda: [row.pk for row in Process.objects.all()] == [served.process])
    assert "was ended as interrupted" in caplog.text
    process = await Process.objects.aget(pk=served.process)
    await eventually(lambda: Process.objects.filter(heartbeat_at__gt=process.heartbeat_at).exists())


@pytest.mark.parametrize("shift", [0.0, -3600.0, 3600.0])
async def test_a05_a_process_that_writes_heartbeats_is_left_alone_whatever_its_clock_says(shared, served, shift):
    answer = await running_answer("half", age=0.0)
    await served.start()
    for _ in range(24):
        at = timezone.now() + timedelta(seconds=shift)
        await Process.objects.filter(pk="gone").aupdate(heartbeat_at=at)
        await asyncio.sleep(0.05)  # in all, twice as long as a silent process is given
    await answer.arefresh_from_db()
    assert answer.status == "running"


async def test_a05_an_answer_whose_process_has_no_row_is_ended(shared, served):
    answer = await running_answer("half")
    await Process.objects.filter(pk="gone").adelete()
    await served.start()
    await eventually(lambda: Message.objects.filter(pk=answer.pk, status="interrupted").exists())


@pytest.mark.django_db(transaction=True)
def test_a05_an_answer_that_refers_to_a_missing_row_is_abandoned(shared):
    answer = async_to_sync(running_answer)("half")
    with connection.constraint_checks_disabled(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM llm_chat_process")
    try:
        assert abandoned(set()) == [(answer.pk, 0)]
    finally:
        Message.objects.update(process=None)


async def test_the_longer_of_checkpoint_and_stream_is_kept(redis_streams, served, db):
    answer = await running_answer("The first")
    await left_in_redis(redis_streams, answer, "The first", " half.")
    assert [message.pk for message in await recover(await redis_streams("here"), DEAD)] == [answer.pk]
    await answer.arefresh_from_db()
    assert (answer.text, answer.parts) == ("The first half.", [{"type": "text", "text": "The first half."}])


async def test_a_checkpoint_that_is_longer_than_the_stream_is_kept_and_readers_get_the_rest(redis_streams, served):
    answer = await running_answer("The first half.")
    await left_in_redis(redis_streams, answer, "The first")
    here = await redis_streams("here")
    await recover(here, DEAD)
    chunks = [chunk async for _, batch in here.replica(StreamKey(answer.pk)).follow() for chunk in batch]
    assert chunks == [
        *OPENING,
        TextDelta("0", "The first"),
        TextDelta("0", " half."),
        TextEnd("0"),
        Error("interrupted"),
    ]
    await answer.arefresh_from_db()
    assert answer.text == "The first half."


async def test_a_process_that_was_only_asleep_finds_its_stream_taken_over_and_its_answer_ended(redis_streams, served):
    answer = await running_answer("half")
    stream = await left_in_redis(redis_streams, answer, "half")
    here = await redis_streams("here")
    await recover(here, DEAD)
    stream.append(TextDelta("0", " and more"))
    await holds(lambda: stream.mirrored)
    chunks = [chunk async for _, batch in here.replica(StreamKey(answer.pk)).follow() for chunk in batch]
    assert chunks == [*OPENING, TextDelta("0", "half"), TextEnd("0"), Error("interrupted")]


async def test_an_answer_that_its_visitor_had_stopped_is_ended_as_stopped(redis_streams, served):
    answer = await running_answer("half", stopping=True)
    await recover(await redis_streams("here"), DEAD)
    await answer.arefresh_from_db()
    assert (answer.status, answer.error) == ("stopped", "")


async def test_readers_of_a_stored_answer_whose_stream_was_not_closed_get_its_stored_ending(redis_streams, served):
    answer = await running_answer()
    await left_in_redis(redis_streams, answer, "whole")
    here = await redis_streams("here")
    reading = asyncio.create_task(anext(here.replica(StreamKey(answer.pk)).follow()))
    await reading
    await served.start()
    follow = served.streams.replica(StreamKey(answer.pk)).follow()
    await anext(follow)
    parts = [{"type": "text", "text": "whole"}]
    await Message.objects.filter(pk=answer.pk).aupdate(
        status="complete", finish_reason="stop", parts=parts, text="whole", process=None, ended_at=timezone.now()
    )
    chunks = [chunk async for _, batch in follow for chunk in batch]
    assert [type(chunk).__name__ for chunk in chunks] == ["TextEnd", "FinishStep", "Finish"]


async def test_a_process_recovers_nothing_until_its_own_heartbeats_were_unbroken_for_the_timeout(
    shared, served, monkeypatch
):
    answer = await running_answer("half")
    failing = asyncio.Event()

    async def fail_at_times(*args):
        if failing.is_set():
            failing.clear()
            raise DatabaseError("away for a moment")

    monkeypatch.setattr("chat.engine.recovery.Settlement.look", lambda self: fail_at_times())
    await served.start()
    for _ in range(10):
        failing.set()
        await asyncio.sleep(0.1)  # an outage every tenth of a second: never unbroken for 0.6 s
    await answer.arefresh_from_db()
    assert answer.status == "running"
    await eventually(lambda: Message.objects.filter(pk=answer.pk, status="interrupted").exists())


async def test_recovery_without_redis_keeps_the_checkpoint(shared, served, redis_server, settings):
    answer = await running_answer("half")
    redis_server.kill()
    settings.CHAT = {**settings.CHAT, "REDIS_TIMEOUT": 0.2}
    streams = RedisStreams()
    await streams.start("here", lambda answer: None)
    await recover(streams, DEAD)
    await streams.finish()
    await answer.arefresh_from_db()
    assert (answer.status, answer.text) == ("interrupted", "half")


@pytest.mark.parametrize("age", [60.0, -3600.0])
async def test_a05_the_command_watches_and_recovers_once(shared, served, age):
    answer = await running_answer("half", age)
    out = io.StringIO()
    await sync_to_async(call_command)("chat_recover", stdout=out)
    await answer.arefresh_from_db()
    assert answer.status == "interrupted"
    assert out.getvalue() == "1 answers of processes silent for 0.6 s were ended.\n"


async def test_a05_the_command_ends_no_answer_of_a_process_that_writes_heartbeats(shared, served):
    answer = await running_answer("half")
    out = io.StringIO()
    command = asyncio.create_task(asyncio.to_thread(call_command, "chat_recover", stdout=out))
    while not command.done():
        await Process.objects.filter(pk="gone").aupdate(heartbeat_at=timezone.now())
        await asyncio.sleep(0.02)
    await command
    await answer.arefresh_from_db()
    assert answer.status == "running"
    assert out.getvalue() == "0 answers of processes silent for 0.6 s were ended.\n"


def test_the_times_of_the_tests_leave_room_for_recovery():
    assert chat_settings()["PROCESS_TIMEOUT"] > 10 * chat_settings()["HEARTBEAT"]
