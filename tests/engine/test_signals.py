"""What happens when a conversation is deleted, and when a browser signs in or out."""

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.db import transaction
from django.test import Client

from chat.models import Conversation, Message
from chat.owners import Owner, key_of
from tests.support.sockets import Socket
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


def signed_in(name):
    """Sign a user in, and return the browser."""
    browser = Client()
    browser.force_login(get_user_model().objects.get_or_create(username=name)[0])
    return browser


def session_of(browser):
    return browser.cookies["sessionid"].value


def visiting():
    """Open the chat without an account, and return the browser."""
    browser = Client()
    browser.get("/chat/", headers={"accept": "text/html"})
    return browser


@pytest.mark.parametrize("leave", ["out", "in"])
async def test_signing_out_or_in_closes_the_sockets_of_that_browser_alone(script, served, leave):
    ann = await sync_to_async(get_user_model().objects.create_user)("ann", password="secret")
    here = await sync_to_async(visiting)() if leave == "in" else await sync_to_async(signed_in)("ann")
    phone = await sync_to_async(signed_in)("ann")
    async with Socket.opened(session_of(here)) as tab, Socket.opened(session_of(phone)) as other:
        request = await tab.ask("Why?")
        reply = await script.anext_reply()
        reply.say("Because")
        await tab.chunk(request, "text-delta")
        form = {"username": ann.username, "password": "secret"}
        await sync_to_async(here.post)(f"/accounts/log{leave}/", form)
        assert (await tab.closed())[0] == {"out": 4401, "in": 4410}[leave]
        await other.ask("Still there?", chat="c2", message="m2")
        (await script.anext_reply()).finish()
        assert not reply.closed.is_set()
        reply.finish()


async def test_a_page_of_another_owner_than_the_sessions_is_not_served(served):
    browser = await sync_to_async(signed_in)("ann")
    user = await get_user_model().objects.aget(username="ann")
    async with Socket.opened(session_of(browser), query="?owner=somebody-else") as socket:
        assert (await socket.closed())[0] == 4401
    async with Socket.opened(session_of(browser), query=f"?owner={Owner(key_of(user.pk)).digest}") as socket:
        await socket.raw('{"type": "ping", "requestId": "p"}')
        assert (await socket.frame("p"))["type"] == "pong"
