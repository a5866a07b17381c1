"""A visitor who signs in: what happens to conversations, running answers and open pages."""

import json
import secrets

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model, login
from django.db import DatabaseError
from django.test import Client, RequestFactory

from chat.models import Conversation, Message
from chat.owners import VISITOR, Owner, key_of
from tests.support.sockets import Socket
from tests.support.upstream import eventually

PASSWORD = "correct horse"
User = get_user_model()


class Browser:
    """A browser of the site: its cookies, its pages' sockets, and the form with which it signs in."""

    def __init__(self):
        self.client = Client()

    async def visit(self):
        await sync_to_async(self.client.get)("/chat/", headers={"accept": "text/html"})
        return self

    @property
    def cookies(self):
        return {name: morsel.value for name, morsel in self.client.cookies.items()}

    async def owner(self):
        """Return the visitor of its session."""
        session = await sync_to_async(lambda: dict(self.client.session.items()))()
        return Owner(f"visitor:{session[VISITOR]}")

    def socket(self, query=""):
        return Socket.opened(None, query=query, **self.cookies)

    def keep(self, socket):
        """Keep the cookies of a handshake, as browsers do."""
        for name, value in socket.cookies.items():
            self.client.cookies[name] = value

    async def sign_in(self, name="ann"):
        form = {"username": name, "password": PASSWORD}
        response = await sync_to_async(self.client.post)("/accounts/login/", form)
        assert response.status_code == 302
        user = await User.objects.aget(username=name)
        return Owner(key_of(user.pk), user.pk)


@pytest.fixture
async def desk(script, served):
    await User.objects.acreate_user("ann", password=PASSWORD)
    return await Browser().visit()


async def told(desk, script, text="Why?", *, uid="default", end=True):
    """Ask on a new page, and return the reply of the model; with ``end`` it is complete."""
    async with desk.socket() as socket:
        desk.keep(socket)
        request = await socket.ask(text, chat=uid, message=secrets.token_hex(8))
        reply = await script.anext_reply()
        reply.say("Because")
        if end:
            reply.finish()
            await socket.rest(request)
        else:
            await socket.chunk(request, "text-delta")
    return reply


@sync_to_async
def uids(owner):
    return set(owner.conversations.values_list("uid", flat=True))


async def test_e14_the_conversations_of_a_visitor_move_to_the_account(desk, script):
    await told(desk, script)
    visitor = await desk.owner()
    ann = await desk.sign_in()
    assert await uids(ann) == {"default"}
    assert await uids(visitor) == set()
    page = (await sync_to_async(desk.client.get)("/chat/default/")).content.decode()
    assert "Because" in page
    assert f'former="{visitor.digest}"' in page


async def test_e14_a_second_sign_in_and_one_in_another_browser_move_nothing_again(desk, script):
    await told(desk, script)
    ann = await desk.sign_in()
    await sync_to_async(desk.client.post)("/accounts/logout/")
    await desk.visit()
    await told(desk, script, uid="second")
    await desk.sign_in()
    other = await Browser().visit()
    await other.sign_in()
    assert await uids(ann) == {"default", "second"}
    assert await Conversation.objects.acount() == 2


async def test_e14_the_form_without_a_script_sets_the_cookie_with_the_first_message(desk, script):
    visitor = await desk.owner()

    async def ask():
        from django.test import AsyncClient

        client = AsyncClient()
        client.cookies = desk.client.cookies
        response = await client.post("/chat/form/", {"id": "m1", "text": "By form?"})
        (await script.anext_reply()).finish()
        return response

    response = await ask()
    (cookie,) = [morsel for name, morsel in response.cookies.items() if name.startswith("sessionid_chat_")]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    desk.client.cookies.update(response.cookies)
    ann = await desk.sign_in()
    assert await uids(ann) == {"form"}
    assert await uids(visitor) == set()


async def test_e14_merging_can_be_turned_off(desk, script, settings):
    settings.CHAT = {**settings.CHAT, "MERGE_AT_LOGIN": False}
    await told(desk, script)
    visitor = await desk.owner()
    ann = await desk.sign_in()
    assert (await uids(ann), await uids(visitor)) == (set(), {"default"})
    async with desk.socket(f"?owner={visitor.digest}&conversation=default") as page:
        assert (await page.closed())[0] == 4401


async def test_e14_a_database_that_fails_does_not_keep_the_user_out_and_the_next_page_moves_them(
    desk, script, monkeypatch, caplog
):
    await told(desk, script)
    visitor = await desk.owner()

    def fail(*_):
        raise DatabaseError("away")

    with monkeypatch.context() as patched:
        patched.setattr("chat.engine.signals.merge", fail)
        ann = await desk.sign_in()
    assert "could not be moved" in caplog.text
    assert await uids(ann) == set()
    async with desk.socket(f"?owner={visitor.digest}&conversation=default") as page:
        assert (await page.closed())[0] == 4410
    assert await uids(ann) == {"default"}


async def test_e14_a_page_that_cannot_be_told_now_tries_again(desk, script, monkeypatch):
    visitor = await desk.owner()
    await desk.sign_in()

    def fail(*_):
        raise DatabaseError("away")

    with monkeypatch.context() as patched:
        patched.setattr("chat.consumers.merge", fail)
        async with desk.socket(f"?owner={visitor.digest}&conversation=default") as page:
            assert (await page.closed())[0] == 4410
    async with desk.socket(f"?owner={visitor.digest}&conversation=default") as page:
        await signed_in_frame(page)


async def test_s17_a_planted_session_hands_over_nothing_that_another_browser_has_written(desk, script):
    attacker = desk
    await told(attacker, script, "The attacker's", uid="mine")
    victim = Browser()
    victim.client.cookies["sessionid"] = attacker.cookies["sessionid"]
    await told(victim, script, "The victim's", uid="secret")
    await told(victim, script, "The victim's, too", uid="mine")
    visitor = await attacker.owner()
    ann = await attacker.sign_in()
    assert await uids(ann) == set()
    assert await uids(visitor) == {"mine", "secret"}
    assert not await Message.objects.filter(conversation__owner=ann.key).aexists()


async def test_s17_a_planted_session_brings_the_victim_nothing_of_the_attackers(desk, script):
    attacker = await Browser().visit()
    await told(attacker, script, "The attacker's", uid="planted")
    desk.client.cookies["sessionid"] = attacker.cookies["sessionid"]
    await told(desk, script, "My own", uid="own")
    ann = await desk.sign_in()
    assert await uids(ann) == {"own"}


async def signed_in_frame(page):
    """Return the frame that tells a page whose it is, before its socket is closed."""
    frame = json.loads(await page.communicator.receive_from(5))
    assert (frame["type"], frame["event"]) == ("event", "signed-in")
    assert (await page.closed())[0] == 4410
    return frame


async def test_e14_an_open_page_connects_again_as_the_accounts_and_keeps_reading(desk, script, served):
    visitor = await desk.owner()
    query = f"?owner={visitor.digest}&conversation=default"
    async with desk.socket(query) as page:
        desk.keep(page)
        request = await page.ask("Why?", chat="default")
        reply = await script.anext_reply()
        reply.say("Because")
        await page.chunk(request, "text-delta")
        old = dict(desk.cookies)
        ann = await desk.sign_in()
        assert (await page.closed())[0] == 4410
    async with Socket.opened(None, query=query, **old) as early:
        assert (await early.closed())[0] == 4410, "the response with the new cookie may not have come yet"
    async with desk.socket(query) as page:
        frame = await signed_in_frame(page)
    assert (frame["owner"], frame["conversation"]) == (ann.digest, "default")
    async with desk.socket(f"?owner={ann.digest}&conversation=default") as page:
        events = page
        request = await page.resume(chat="default")
        assert (await page.chunk(request, "text-delta"))["delta"] == "Because"
        reply.say(" of the sky")
        assert (await page.chunk(request, "text-delta"))["delta"] == " of the sky"
        reply.finish()
        assert (await page.chunks(request))[-1]["type"] == "finish"
        ended = await events.frame("conversation")
        assert (ended["event"], ended["id"]) == ("run-ended", "default")
    answer = await Message.objects.aget(role="assistant")
    assert (answer.status, answer.text) == ("complete", "Because of the sky")


async def test_e14_a_moved_answer_can_be_stopped_and_the_next_question_waits_for_its_end(desk, script, served):
    reply = await told(desk, script, end=False)
    ann = await desk.sign_in()
    async with desk.socket() as page:
        resumed = await page.resume(chat="default")
        await page.chunk(resumed, "text-delta")
        await page.abort(resumed)
        asked = await page.ask("And now?", chat="default", message="m2")
        await eventually(reply.closed.is_set)
        (await script.anext_reply()).finish()
        assert (await page.chunks(asked))[-1]["type"] == "finish"
    assert await Message.objects.filter(conversation__owner=ann.key, status="stopped").aexists()


async def test_e14_other_devices_of_the_account_learn_what_has_come_and_what_has_another_id(desk, script, served):
    phone = Browser()
    await phone.sign_in()
    await told(phone, script, "On the phone")
    reply = await told(desk, script, "At the desk", end=False)
    async with phone.socket() as page:
        await page.rest(await page.resume(chat="default"))
        ann = await desk.sign_in()
        events = [await page.frame("conversation") for _ in range(3)]
        moved, restored, started = events
        assert (moved["event"], moved["id"]) == ("moved", "default")
        assert moved["to"].startswith("m-")
        assert (restored["event"], restored["id"], restored["title"]) == ("restored", "default", "At the desk")
        assert started["event"] == "run-started"
        reply.finish()
        assert (await page.frame("conversation"))["event"] == "run-ended"
    assert await uids(ann) == {"default", moved["to"]}


async def test_e14_a_question_that_is_stored_while_the_visitor_signs_in_moves_with_the_page(desk, script):
    visitor = await desk.owner()
    old = dict(desk.cookies)
    async with Socket.opened(None, **old) as page:
        desk.keep(page)
        await desk.sign_in()
        cookies = {name: value for name, value in desk.cookies.items() if name.startswith("sessionid_chat_")}
    from chat.claims import claims_of
    from chat.db.threads import in_database
    from chat.db.turns import ask
    from chat.db.values import Ask, Writer
    from chat.engine.engine import engine

    late = Ask(visitor._replace(claims=claims_of(cookies)), "default", "m1", "Late?")
    await in_database(ask, late, Writer(engine().process, "scripted", 1000))
    async with desk.socket(f"?owner={visitor.digest}&conversation=default") as page:
        await signed_in_frame(page)
    ann = await User.objects.aget()
    assert await uids(Owner(key_of(ann.pk))) == {"default"}


async def test_e14_a_page_whose_conversation_stays_behind_is_turned_away(desk, script):
    await told(desk, script, uid="mine")
    victim = Browser()
    victim.client.cookies["sessionid"] = desk.cookies["sessionid"]
    visitor = await desk.owner()
    await victim.sign_in()
    async with victim.socket(f"?owner={visitor.digest}&conversation=mine") as page:
        assert (await page.closed())[0] == 4401
    async with victim.socket(f"?owner={visitor.digest}&conversation=empty") as page:
        await signed_in_frame(page)


async def test_e14_signed_cookies_work_as_well(desk, script, settings):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    settings.CHAT = {**settings.CHAT, "HEARTBEAT": 60.0}
    desk = await Browser().visit()
    visitor = await desk.owner()
    async with desk.socket() as page, desk.socket() as tab:
        desk.keep(page)
        request = await page.ask("Why?", chat="default")
        (await script.anext_reply()).finish()
        await page.rest(request)
        ann = await desk.sign_in()
        for each in (page, tab):
            assert (await each.closed())[0] == 4410
    assert (await uids(ann), await uids(visitor)) == ({"default"}, set())
    async with desk.socket() as page:
        session = await sync_to_async(lambda: desk.client.session)()
        session["theme"] = "dark"
        await sync_to_async(session.save)()
        desk.client.cookies["sessionid"] = session.session_key
        await sync_to_async(desk.client.post)("/accounts/logout/")
        assert (await page.closed())[0] == 4401, "by the desk's token, because the session's cookie has changed"


async def test_who_signs_in_again_keeps_the_session_and_the_sockets(desk, script):
    """As sites do before something sensitive: Django keeps the session's key then."""
    await desk.sign_in()
    key = desk.cookies["sessionid"]

    def again():
        request = RequestFactory().get("/", headers={"cookie": f"sessionid={key}"})
        request.session = desk.client.session
        login(request, User.objects.get(), "django.contrib.auth.backends.ModelBackend")
        request.session.save()
        assert request.session.session_key == key

    async with desk.socket() as page:
        await sync_to_async(again)()
        await page.raw('{"type": "ping", "requestId": "p"}')
        assert (await page.frame("p"))["type"] == "pong"
    async with desk.socket() as page:
        await page.raw('{"type": "ping", "requestId": "p"}')
        assert (await page.frame("p"))["type"] == "pong"


async def test_a_login_without_a_chat_does_nothing(desk, script):
    client = Client()
    assert await sync_to_async(client.login)(username="ann", password=PASSWORD)
    assert not await Conversation.objects.aexists()
