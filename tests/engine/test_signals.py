"""What happens when a conversation is deleted."""

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.db import transaction

from chat.models import Conversation, Message
from tests.support.upstream import eventually


async def begun(script, connect, visitor="ann"):
    """Begin an answer, and return its socket, request and reply."""
    socket = await connect(visitor)
    request = await socket.ask("Why?")
    reply = await script.anext_reply()
    reply.say("Because")
    await socket.chunk(request, "text-delta")
    return socket, request, reply


async def test_the_answer_of_a_deleted_conversation_is_given_up_at_once_and_stays_deleted(
    script, connect, served, settings
):
    settings.CHAT = {**settings.CHAT, "HEARTBEAT": 60.0}
    socket, request, reply = await begun(script, connect)
    await Conversation.objects.all().adelete()
    await eventually(reply.closed.is_set)
    assert await socket.error(request) == "lost"
    await served.drain()
    assert not await Message.objects.aexists()
    assert not await Conversation.objects.aexists()


async def test_a_deletion_that_is_rolled_back_changes_nothing(script, connect):
    socket, request, reply = await begun(script, connect)

    def delete():
        with pytest.raises(LookupError), transaction.atomic():
            Conversation.objects.all().delete()
            raise LookupError

    await sync_to_async(delete)()
    reply.finish()
    assert (await socket.chunks(request))[-1]["type"] == "finish"


async def test_deleting_a_user_deletes_the_users_conversations(script, connect):
    user = await get_user_model().objects.acreate_user("ann")
    socket, request, reply = await begun(script, connect)
    await Conversation.objects.aupdate(user=user)
    await user.adelete()
    await eventually(reply.closed.is_set)
    assert await socket.error(request) == "lost"
    assert not await Message.objects.aexists()
