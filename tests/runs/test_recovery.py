"""What becomes of the answers of a process that died."""

import asyncio
import io
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.core.management import call_command
from django.db import DatabaseError
from django.utils import timezone

from chat.chunks import Error, Start, StartStep, TextDelta, TextEnd, TextStart
from chat.logs.redis import RedisLogs
from chat.models import Conversation, Message, Process
from chat.runs.recovery import recover
from tests.conftest import chat_settings
from tests.runs.test_registry import eventually
from tests.upstream import eventually as holds

OPENING = [Start("a1"), StartStep(), TextStart("0")]


@pytest.fixture
def shared(script, settings, redis_server):
    """A site whose processes share their logs."""
    settings.CHAT = {**settings.CHAT, "REDIS_URL": redis_server.url}
    return script


async def running_answer(text="", age=60.0, **columns):
    """An answer that a process was making whose heartbeat is so old, in seconds."""
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


async def logged(redis_logs, answer, *texts):
    """The log that the dead process has left in Redis."""
    dead = await redis_logs("gone")
    log = dead.open(answer.pk)
    for chunk in [*OPENING, *(TextDelta("0", text) for text in texts)]:
        log.append(chunk)
    await holds(lambda: not log.behind)
    return log


@pytest.fixture
async def redis_logs(shared, settings):
    """Logs of other processes of the site."""
    made = []

    async def make(name):
        made.append(RedisLogs())
        await made[-1].start(name, lambda answer: None)
        return made[-1]

    yield make
    for logs in made:
        await logs.finish()


async def test_another_process_ends_the_answers_of_a_dead_one(shared, served, caplog):
    answer = await running_answer("half")
    await served.start()
    await eventually(lambda: Message.objects.filter(status="interrupted").exists())
    await answer.arefresh_from_db()
    assert (answer.error, answer.text, answer.process_id) == ("interrupted", "half", None)
    assert answer.ended_at is not None
    assert await Conversation.objects.filter(running=None).acount() == 1
    await eventually(lambda: [row.pk for row in Process.objects.all()] == [served.process])
    assert "was ended as interrupted" in caplog.text
    process = await Process.objects.aget(pk=served.process)
    await eventually(lambda: Process.objects.filter(heartbeat_at__gt=process.heartbeat_at).exists())


async def test_a_process_that_beats_is_left_alone(shared, served):
    answer = await running_answer("half", age=0.0)
    await served.start()
    for _ in range(30):
        await Process.objects.filter(pk="gone").aupdate(heartbeat_at=timezone.now())
        await asyncio.sleep(0.1)  # twice as long as a silent one would be given
    await answer.arefresh_from_db()
    assert answer.status == "running"


async def test_the_longer_of_checkpoint_and_log_is_kept(redis_logs, served, db):
    answer = await running_answer("The first")
    await logged(redis_logs, answer, "The first", " half.")
    assert [message.pk for message in await recover(await redis_logs("here"))] == [answer.pk]
    await answer.arefresh_from_db()
    assert (answer.text, answer.parts) == ("The first half.", [{"type": "text", "text": "The first half."}])


async def test_a_checkpoint_that_is_longer_than_the_log_is_kept_and_readers_get_the_rest(redis_logs, served):
    answer = await running_answer("The first half.")
    await logged(redis_logs, answer, "The first")
    here = await redis_logs("here")
    await recover(here)
    chunks = [chunk async for _, batch in here.replica(answer.pk).follow() for chunk in batch]
    assert chunks == [
        *OPENING,
        TextDelta("0", "The first"),
        TextDelta("0", " half."),
        TextEnd("0"),
        Error("interrupted"),
    ]
    await answer.arefresh_from_db()
    assert answer.text == "The first half."


async def test_a_process_that_only_slept_finds_its_log_taken_and_its_answer_ended(redis_logs, served):
    answer = await running_answer("half")
    log = await logged(redis_logs, answer, "half")
    here = await redis_logs("here")
    await recover(here)
    log.append(TextDelta("0", " and more"))
    await holds(lambda: log.mirrored)
    chunks = [chunk async for _, batch in here.replica(answer.pk).follow() for chunk in batch]
    assert chunks == [*OPENING, TextDelta("0", "half"), TextEnd("0"), Error("interrupted")]


async def test_an_answer_that_a_reader_had_stopped_is_ended_as_stopped(redis_logs, served):
    answer = await running_answer("half", stopping=True)
    await recover(await redis_logs("here"))
    await answer.arefresh_from_db()
    assert (answer.status, answer.error) == ("stopped", "")


async def test_an_answer_that_was_written_but_whose_log_was_not_closed_is_told_as_it_is_stored(redis_logs, served):
    answer = await running_answer()
    await logged(redis_logs, answer, "whole")
    here = await redis_logs("here")
    reading = asyncio.create_task(anext(here.replica(answer.pk).follow()))
    await reading
    await served.start()
    follow = served.logs.replica(answer.pk).follow()
    await anext(follow)
    parts = [{"type": "text", "text": "whole"}]
    await Message.objects.filter(pk=answer.pk).aupdate(
        status="complete", finish_reason="stop", parts=parts, text="whole", process=None, ended_at=timezone.now()
    )
    chunks = [chunk async for _, batch in follow for chunk in batch]
    assert [type(chunk).__name__ for chunk in chunks] == ["TextEnd", "FinishStep", "Finish"]


async def test_nothing_is_recovered_until_ones_own_heartbeats_are_unbroken_for_as_long(
    shared, served, monkeypatch, settings
):
    recovered = asyncio.Event()

    async def note(logs):
        recovered.set()
        return []

    monkeypatch.setattr("chat.runs.heart.recover", note)
    settings.CHAT = {**settings.CHAT, "PROCESS_TIMEOUT": 0.6, "HEARTBEAT": 0.05}
    failing = asyncio.Event()

    async def fail_at_times(*args):
        if failing.is_set():
            failing.clear()
            raise DatabaseError("away for a moment")

    monkeypatch.setattr("chat.runs.recovery.Settlement.look", lambda self: fail_at_times())
    await served.start()
    for _ in range(10):
        failing.set()
        await asyncio.sleep(0.1)  # an outage every tenth of a second: never unbroken for 0.6 s
    assert not recovered.is_set()
    async with asyncio.timeout(5):
        await recovered.wait()


async def test_who_can_recover_without_redis_keeps_the_checkpoint(shared, served, redis_server, settings):
    answer = await running_answer("half")
    redis_server.kill()
    settings.CHAT = {**settings.CHAT, "REDIS_TIMEOUT": 0.2}
    logs = RedisLogs()
    await logs.start("here", lambda answer: None)
    await recover(logs)
    await logs.finish()
    await answer.arefresh_from_db()
    assert (answer.status, answer.text) == ("interrupted", "half")


async def test_the_command_recovers_once(shared, served):
    answer = await running_answer("half")
    out = io.StringIO()
    await sync_to_async(call_command)("chat_recover", stdout=out)
    await answer.arefresh_from_db()
    assert answer.status == "interrupted"
    assert out.getvalue() == "1 answers of processes silent for 1.5 s were ended.\n"


def test_the_times_of_the_tests_leave_room_for_recovery():
    assert chat_settings()["PROCESS_TIMEOUT"] > 10 * chat_settings()["HEARTBEAT"]
