"""A conversation is deleted, and the deletion can be undone."""

from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.db.models.signals import post_delete
from django.utils import timezone

from chat.db.deletion import hide, undoable
from chat.engine.deletion import delete, undo
from chat.engine.engine import Engine
from chat.models import Conversation, Message
from chat.owners import Owner
from tests.engine.test_engine import eventually as holds
from tests.engine.test_signals import begun
from tests.support.upstream import eventually

ANN = Owner("visitor:ann")


@pytest.fixture
def long(script, settings):
    """A deletion can be undone until the end of the test."""
    settings.CHAT = {**settings.CHAT, "UNDO_PERIOD": 60.0}
    return script


async def test_a_deletion_stops_the_answer_at_once_and_an_undo_brings_its_text_back(long, connect, settings):
    settings.CHAT = {**settings.CHAT, "HEARTBEAT": 60.0}
    socket, request, reply = await begun(long, connect)
    other = await connect("ann")
    assert await sync_to_async(delete)(ANN, ANN.conversations) == 1
    assert (await socket.chunks(request))[-1]["type"] == "abort"
    await eventually(reply.closed.is_set)
    events = [(await other.frame("conversation"))["event"] for _ in range(2)]
    assert events == ["deleted", "run-ended"]
    assert (await other.rest(await other.resume()))[-1]["type"] == "no-active"
    undone = await sync_to_async(undoable)(ANN)
    assert await sync_to_async(undo)(ANN, undone.at.isoformat()) == 1
    assert (await other.frame("conversation"))["event"] == "restored"
    answer = await Message.objects.aget(role="assistant")
    assert (answer.status, answer.text) == ("stopped", "Because")


async def test_a_page_that_shows_a_deleted_conversation_is_told_that_it_is_gone(long, connect):
    socket, request, _ = await begun(long, connect)
    await sync_to_async(delete)(ANN, ANN.conversations)
    await socket.chunks(request)
    shown = {"view": "html", "after": {"message": "m1", "status": "complete"}}
    assert await socket.error(await socket.resume(body=shown)) == "gone"
    assert await socket.error(await socket.ask("And now?", message="m2")) == "gone"


async def test_the_heartbeat_stops_an_answer_whose_stop_was_lost(long, connect):
    socket, request, reply = await begun(long, connect)
    await sync_to_async(hide)(ANN, ANN.conversations)
    assert (await socket.chunks(request))[-1]["type"] == "abort"
    await eventually(reply.closed.is_set)
    await holds(lambda: Message.objects.filter(role="assistant", status="stopped").exists())


async def test_the_rows_are_removed_later_with_djangos_signals_and_without_another_event(script, connect):
    removed = []
    post_delete.connect(receiver := lambda instance, **_: removed.append(instance.uid), sender=Conversation)
    socket, request, _ = await begun(script, connect)
    await sync_to_async(delete)(ANN, ANN.conversations)
    await socket.chunks(request)
    await holds(lambda: not Conversation.objects.exists())
    post_delete.disconnect(receiver, sender=Conversation)
    assert removed == ["c1"]
    assert not await Message.objects.aexists()
    request = await socket.ask("Once more?")
    (await script.anext_reply()).finish()
    await socket.chunks(request)
    events = [(await socket.frame("conversation"))["event"] for _ in range(4)]
    assert events == ["run-started", "deleted", "run-ended", "run-started"]


async def test_a_process_removes_what_an_earlier_one_left(script, transactional_db):
    an_hour_ago = timezone.now() - timedelta(hours=1)
    await Conversation.objects.acreate(owner=ANN.key, uid="c1", updated_at=an_hour_ago, deleted_at=an_hour_ago)
    engine = Engine()
    await engine.start()
    await holds(lambda: not Conversation.objects.exists())
    await engine.drain()


async def test_the_deletion_of_a_user_includes_conversations_that_could_be_brought_back(long, connect):
    user = await get_user_model().objects.acreate_user("ann")
    socket, request, _ = await begun(long, connect)
    await Conversation.objects.aupdate(user=user)
    await sync_to_async(delete)(ANN, ANN.conversations)
    await socket.chunks(request)
    await user.adelete()
    assert not await Message.objects.aexists()
