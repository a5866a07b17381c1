"""A conversation has the assistant that it began with."""

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.test import AsyncClient, Client
from django.urls import reverse

from chat.assistants import Assistant, Starter
from chat.assistants.discovery import registry
from chat.models import Conversation, Message
from chat.owners import VISITOR
from tests.support.asking import asked


class Support(Assistant):
    """Helps customers."""

    instructions = "You support."
    starters = (Starter("Where is my parcel?"),)


class Sales(Assistant):
    """Sells."""

    name = "sales-desk"
    label = "Advice on buying"
    instructions = "You sell."


class Staff(Assistant):
    """Helps those who work here."""

    def has_permission(self):
        return self.user is not None and self.user.is_staff


@pytest.fixture(autouse=True)
def assistants():
    with registry.replaced(Staff, Support, Sales):
        yield


async def test_the_client_names_the_assistant_of_a_new_conversation(script, connect):
    socket = await connect()
    assert await asked(script, socket, chat="c1", body={"assistant": "support"}) == "You support."
    assert await asked(script, socket, chat="c2", body={"assistant": "sales-desk"}) == "You sell."
    stored = {found.uid: found.assistant async for found in Conversation.objects.all()}
    assert stored == {"c1": "support", "c2": "sales-desk"}


@pytest.mark.parametrize("body", [{}, {"assistant": "sales-desk"}])
async def test_a_conversation_keeps_its_assistant_whatever_the_client_names(script, connect, body):
    socket = await connect()
    await asked(script, socket, message="m1", body={"assistant": "support"})
    assert await asked(script, socket, "Two", message="m2", body=body) == "You support."
    regenerated = await socket.regenerate(body=body)
    reply = await script.anext_reply()
    assert reply.request.messages[0]["content"] == "You support."
    reply.finish()
    await socket.chunks(regenerated)
    edited = await socket.ask("Three", message="m2", messageId="m2", body={**body, "attempt": "e1"})
    reply = await script.anext_reply()
    assert reply.request.messages[0]["content"] == "You support."
    reply.finish()
    await socket.chunks(edited)
    assert await Conversation.objects.aget() == await Conversation.objects.aget(assistant="support")
    assert await Message.objects.filter(role="user").acount() == 3


async def test_a_repeat_that_names_another_assistant_finds_its_answer(script, connect):
    socket = await connect()
    await asked(script, socket, body={"assistant": "support"})
    await socket.chunks(await socket.ask("One"))
    assert script.waiting == 0
    assert await Message.objects.acount() == 2


@pytest.mark.parametrize("name", ["nobody", "staff"])
async def test_an_assistant_that_is_not_there_or_not_for_the_visitor_is_refused(script, connect, name):
    socket = await connect()
    assert await socket.error(await socket.ask("One", body={"assistant": name})) == "forbidden"
    assert not await Conversation.objects.aexists()
    assert script.waiting == 0


async def test_a_name_that_cannot_be_one_is_a_bad_frame(connect):
    socket = await connect()
    await socket.ask("One", body={"assistant": "a b"})
    code, _reason = await socket.closed()
    assert code == 4400


async def test_another_backend_answers_and_is_named(script, connect, settings):
    class Default(Assistant):
        backend = "echo"

    echo = {"BACKEND": "chat.backends.scripted.ScriptedBackend"}
    settings.CHAT = {**settings.CHAT, "BACKENDS": {**settings.CHAT["BACKENDS"], "echo": echo}}
    with registry.replaced(Default):
        socket = await connect()
        await socket.chunks(await socket.ask("One two"))
    assert (await Message.objects.aget(role="assistant")).text == "One two "
    assert script.waiting == 0


async def client_of(visitor="somebody"):
    """Return a client with the session of a visitor, as ``connect`` has it."""
    store = SessionStore()
    store[VISITOR] = visitor
    await sync_to_async(store.save)()
    client = AsyncClient(headers={"accept": "text/html"})
    client.cookies["sessionid"] = store.session_key
    return client


async def test_a_conversation_without_its_assistant_can_be_read_and_not_continued(script, connect):
    socket = await connect()
    await asked(script, socket, body={"assistant": "support"})
    client = await client_of()
    with registry.replaced(Sales):
        assert await socket.error(await socket.ask("Two", message="m2")) == "forbidden"
        page = (await client.get("/chat/c1/")).content.decode()
    assert " forbidden>" in page
    assert "Uno" in page
    assert " forbidden>" not in (await client.get("/chat/c1/")).content.decode()


async def test_the_form_names_the_assistant_of_the_page(script, served):
    client = await client_of()
    page = (await client.get("/chat/?assistant=sales-desk")).content.decode()
    assert '<input type="hidden" name="assistant" value="sales-desk">' in page
    await client.post("/chat/c1/", {"id": "m1", "text": "One", "assistant": "sales-desk"})
    reply = await script.anext_reply()
    assert reply.request.messages[0]["content"] == "You sell."


@pytest.mark.django_db
class TestThePage:
    """What the app's own page offers."""

    def page(self, client: Client, query=""):
        return client.get(f"/chat/{query}", headers={"accept": "text/html"}).content.decode()

    def test_a_new_chat_offers_the_assistants_that_the_visitor_may_use(self, script, client):
        page = self.page(client)
        assert '<a class="llm-chat-assistant" href="/chat/?assistant=support" aria-current="true">Support</a>' in page
        assert '<a class="llm-chat-assistant" href="/chat/?assistant=sales-desk">Advice on buying</a>' in page
        assert "assistant=staff" not in page
        assert 'assistant="support"' in page
        assert "Where is my parcel?" in page

    def test_another_one_is_chosen_by_the_address(self, script, client):
        page = self.page(client, "?assistant=sales-desk")
        assert 'assistant="sales-desk"' in page
        assert "Where is my parcel?" not in page

    @pytest.mark.parametrize("name", ["staff", "nobody", "%00"])
    def test_one_that_is_not_for_the_visitor_is_not_chosen(self, script, client, name):
        assert 'assistant="support"' in self.page(client, f"?assistant={name}")

    def test_who_works_here_is_offered_more(self, script, client):
        client.force_login(User.objects.create_user("ann", is_staff=True))
        assert 'href="/chat/?assistant=staff" aria-current="true">Staff<' in self.page(client)

    def test_where_there_is_no_choice_none_is_shown(self, script, client):
        with registry.replaced(Support, Staff):
            assert "llm-chat-assistants" not in self.page(client)
        with registry.replaced():
            page = self.page(client)
            assert "llm-chat-assistants" not in page
            assert 'assistant="default"' in page

    def test_who_may_use_none_sees_that(self, script, client):
        with registry.replaced(Staff):
            assert " forbidden>" in self.page(client)

    def test_the_export_and_the_admin_name_it(self, script, admin_client, client):
        session = client.session
        session[VISITOR] = "ann"
        session.save()
        row = Conversation.objects.create(
            owner="visitor:ann", uid="c1", assistant="sales-desk", updated_at="2026-01-01T00:00Z"
        )
        assert client.get("/chat/c1/export.json").json()["assistant"] == "sales-desk"
        changelist = admin_client.get(reverse("admin:llm_chat_conversation_changelist"))
        assert "sales-desk" in changelist.content.decode()
        detail = admin_client.get(reverse("admin:llm_chat_conversation_change", args=[row.pk]))
        assert "sales-desk" in detail.content.decode()
