"""Who may use the chat: the assistant is asked for each page and each turn."""

import asyncio
import threading

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.test import AsyncClient, Client

from chat.assistants import Assistant, hooks
from chat.assistants.discovery import registry
from chat.engine import admission
from chat.models import Conversation, Message
from chat.owners import VISITOR
from tests.support.sockets import Socket


class Open(Assistant):
    """Everybody may use it, as long as a test does not change its mind."""

    name = "default"
    allowed = True

    def has_permission(self):
        return self.allowed


class Async(Open):
    """The same, asked on the event loop."""

    async def has_permission(self):
        return self.allowed


class Members(Assistant):
    """Only those who have signed in may use it."""

    name = "default"

    def has_permission(self):
        return self.user is not None


class Broken(Assistant):
    """Nobody knows who may use it."""

    name = "default"

    def has_permission(self):
        raise RuntimeError("a secret of the site")


@pytest.fixture(params=[Open, Async], ids=["sync", "async"])
def assistant(request, monkeypatch):
    with registry.replaced(request.param):
        yield request.param
    Open.allowed = Async.allowed = True


def forbid(assistant):
    assistant.allowed = False


async def answered(script, socket, **asked):
    request = await socket.ask("One", **asked)
    reply = await script.anext_reply()
    reply.say("Uno")
    reply.finish()
    await socket.chunks(request)


async def test_a_turn_is_refused_and_nothing_is_stored(script, connect, assistant):
    forbid(assistant)
    socket = await connect()
    assert await socket.error(await socket.ask("One")) == "forbidden"
    assert not await Conversation.objects.aexists()
    assert script.waiting == 0


async def test_another_answer_is_refused_too(script, connect, assistant):
    socket = await connect()
    await answered(script, socket)
    forbid(assistant)
    assert await socket.error(await socket.regenerate()) == "forbidden"
    assert await Message.objects.acount() == 2


async def test_what_was_said_can_still_be_read(script, connect, assistant):
    socket = await connect()
    await answered(script, socket)
    forbid(assistant)
    other = await connect()
    request = await other.resume()
    assert (await other.frame(request))["type"] == "start"


HTML = {"view": "html"}


async def rows():
    """Return everything of the conversations that a request may change."""
    conversations = [row async for row in Conversation.objects.values()]
    return conversations, [row async for row in Message.objects.order_by("pk").values()]


@pytest.mark.parametrize("body", [{}, HTML], ids=["text", "html"])
async def test_a_question_that_was_stored_is_shown_when_it_is_repeated_without_permission(
    script, connect, assistant, body
):
    socket = await connect()
    await answered(script, socket)
    forbid(assistant)
    before = await rows()
    again = await socket.chunks(await socket.ask("One", body=body))
    assert again[-1]["type"] == "finish"
    assert "Uno" in str(again)
    assert await rows() == before
    assert script.waiting == 0


async def test_a_running_answer_is_followed_by_a_repeated_question_without_permission(script, connect, assistant):
    socket, other = await connect(), await connect()
    request = await socket.ask("One")
    reply = await script.anext_reply()
    reply.say("U")
    await socket.chunk(request, "text-delta")
    forbid(assistant)
    again = await other.ask("One")
    assert (await other.chunk(again, "text-delta"))["delta"] == "U"
    reply.say("no")
    reply.finish()
    assert (await other.chunks(again))[-1]["type"] == "finish"
    assert (await socket.chunks(request))[-1]["type"] == "finish"
    assert await Message.objects.acount() == 2


@pytest.mark.parametrize("body", [{}, HTML], ids=["text", "html"])
async def test_an_edit_and_another_answer_are_shown_when_they_are_repeated(script, connect, assistant, body):
    socket = await connect()
    await answered(script, socket)
    requests = []
    for ask in (
        lambda: socket.ask("Two", message="m1", messageId="m1", body={**body, "attempt": "edit-1"}),
        lambda: socket.regenerate(attempt="again-1", body=body),
    ):
        request = await ask()
        reply = await script.anext_reply()
        reply.say("Dos")
        reply.finish()
        await socket.chunks(request)
        requests.append(ask)
    forbid(assistant)
    before = await rows()
    for ask in requests:
        assert "Dos" in str(await socket.chunks(await ask()))
    assert await rows() == before


async def test_only_the_same_request_is_shown_without_permission(script, connect, assistant):
    socket = await connect()
    await answered(script, socket)
    forbid(assistant)
    before = await rows()
    for refused in (
        await socket.ask("Two"),
        await socket.ask("One", message="m2"),
        await socket.ask("One", chat="c2"),
        await socket.ask("Two", message="m1", messageId="m1", body={"attempt": "edit-1"}),
        await socket.regenerate(attempt="again-1"),
        await socket.regenerate(),
    ):
        assert await socket.error(refused) == "forbidden"
    stranger = await connect("bob")
    assert await stranger.error(await stranger.ask("One")) == "forbidden"
    assert await rows() == before


@pytest.mark.django_db(transaction=True)
async def test_a_form_that_is_posted_again_leads_to_the_answer_that_it_has(script, served, assistant):
    client = AsyncClient()
    form = {"id": "m1", "text": "One"}
    await client.get("/chat/c1/")
    assert (await client.post("/chat/c1/", form)).status_code == 303
    (await script.anext_reply()).finish()
    forbid(assistant)
    assert (await client.post("/chat/c1/", form)).status_code == 303
    assert (await client.post("/chat/c1/", {**form, "id": "m2"})).status_code == 403


async def test_a_hook_that_fails_refuses_and_the_log_has_the_reason(script, connect, caplog):
    with registry.replaced(Broken):
        socket = await connect()
        assert await socket.error(await socket.ask("One")) == "forbidden"
    assert "a secret of the site" in caplog.text


async def test_a_hook_that_hangs_refuses_in_time_and_nothing_is_stored(script, connect, monkeypatch):
    leave = threading.Event()

    class Default(Assistant):
        def has_permission(self):
            leave.wait(20)

    monkeypatch.setattr(admission, "ADMISSION_WAIT", 0.1)
    try:
        with registry.replaced(Default):
            socket = await connect()
            assert await socket.error(await socket.ask("One")) == "storage"
        assert not await Conversation.objects.aexists()
    finally:
        leave.set()


async def test_the_account_is_that_of_the_session(script, connect, served):
    with registry.replaced(Members):
        visitor = await connect()
        assert await visitor.error(await visitor.ask("One")) == "forbidden"
        client = AsyncClient()
        await client.aforce_login(await sync_to_async(User.objects.create_user)("ann"))
        async with Socket.opened(client.cookies["sessionid"].value) as member:
            await answered(script, member)


@pytest.mark.django_db(transaction=True)
async def test_the_form_is_refused_with_the_sentence_and_the_text_stays(script, served, assistant):
    forbid(assistant)
    client = AsyncClient()
    response = await client.post("/chat/c1/", {"id": "m1", "text": "My question"})
    page = response.content.decode()
    assert response.status_code == 403
    assert "You may not use this chat." in page
    assert "My question" in page
    assert not await Conversation.objects.aexists()


@pytest.mark.django_db
def test_the_page_says_so_and_shows_what_was_said(script, assistant, client: Client):
    session = client.session
    session[VISITOR] = "ann"
    session.save()
    forbid(assistant)
    page = client.get("/chat/c1/").content.decode()
    assert " forbidden>" in page
    assistant.allowed = True
    assert " forbidden>" not in client.get("/chat/c1/").content.decode()


@pytest.mark.django_db
def test_a_page_whose_hook_fails_refuses_and_the_log_has_the_reason(script, client: Client, caplog):
    with registry.replaced(Broken):
        assert " forbidden>" in client.get("/chat/c1/").content.decode()
    assert "a secret of the site" in caplog.text


@pytest.mark.django_db
def test_a_page_waits_for_a_hook_that_hangs_only_so_long(script, client: Client, caplog, monkeypatch):
    class Hanging(Assistant):
        async def has_permission(self):
            await asyncio.Event().wait()

    class Sales(Async):
        name = "sales"

    monkeypatch.setattr(hooks, "ADMISSION_WAIT", 0.1)
    with registry.replaced(Hanging, Sales, Open):
        page = client.get("/chat/").content.decode()
        assert 'assistant="sales"' in page
        assert "Hanging" not in page
        assert " forbidden>" not in page
        assert "could not be checked in 0.1 s" in caplog.text
    with registry.replaced(Hanging):
        assert " forbidden>" in client.get("/chat/c1/").content.decode()


def test_a_page_asks_several_assistants_at_once(monkeypatch):
    both = asyncio.Barrier(2)

    class Waiting(Assistant):
        abstract = True

        async def has_permission(self):
            await both.wait()
            return True

    class Sales(Waiting):
        pass

    class Support(Waiting):
        pass

    monkeypatch.setattr(hooks, "ADMISSION_WAIT", 5)
    with registry.replaced(Sales, Support):
        asked = [Sales(user_id=None), Support(user_id=None)]
        assert hooks.usable(asked) == asked
