"""Sending a message and stopping an answer without JavaScript."""

import asyncio
import re
import threading

import pytest
from asgiref.sync import sync_to_async
from django.db import DatabaseError, connections
from django.test import AsyncClient, Client

from chat.db.turns import ask
from chat.errors import ERRORS
from chat.health import NO_ASGI
from chat.models import Conversation, Message
from tests.support.upstream import eventually
from tests.views.conftest import ANN, escaped


@sync_to_async
def stored():
    return list(Message.objects.order_by("pk").values_list("role", "text"))


async def ended(served):
    await eventually(lambda: not served.runs_of(ANN, "c1"))


async def send(asgi, text="Why?", path="/chat/c1/", **fields):
    return await asgi.post(path, {"id": "m1", "text": text, **fields})


async def test_a_message_is_stored_and_the_page_shows_its_answer_when_it_has_ended(script, asgi, served):
    response = await send(asgi, "Why\r\n<is> it?")
    assert (response.status_code, response["Location"]) == (303, "/chat/c1/")
    reply = await script.anext_reply()
    assert reply.request.messages[-1]["content"] == "Why\n<is> it?"
    page = (await asgi.get("/chat/c1/")).content.decode()
    assert "Why\n&lt;is&gt; it?" in page
    assert '<meta http-equiv="refresh"' in page
    assert 'action="/chat/c1/stop/"' in page
    reply.say("*Scattering*")
    reply.finish()
    await ended(served)
    page = (await asgi.get("/chat/c1/")).content.decode()
    assert "<em>Scattering</em>" in page
    assert '<meta http-equiv="refresh"' not in page


async def test_the_form_of_the_page_can_be_sent_as_it_is(script, asgi):
    page = (await asgi.get("/chat/")).content.decode()
    form = re.search(r'<form class="llm-chat-form" method="post" action="([^"]+)".*?</form>', page, re.S)
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]+)">', form[0]))
    strict = AsyncClient(enforce_csrf_checks=True)
    strict.cookies = asgi.cookies
    assert (await strict.post(form[1], {**fields, "text": "Hi", "csrfmiddlewaretoken": ""})).status_code == 403
    assert (await strict.post(form[1], {**fields, "text": "Hi"})).status_code == 303
    await script.anext_reply()
    assert (await stored())[0] == ("user", "Hi")


async def test_a_starter_is_sent_as_a_question_in_place_of_what_is_written(script, asgi):
    assert (await asgi.post("/chat/c1/", {"id": "m1", "text": "Half a", "starter": "Where is it?"})).status_code == 303
    reply = await script.anext_reply()
    assert reply.request.messages == [{"role": "user", "content": "Where is it?"}]


async def test_a_message_that_is_posted_twice_is_stored_once(script, asgi):
    assert {(await send(asgi)).status_code for _ in range(2)} == {303}
    assert await stored() == [("user", "Why?"), ("assistant", "")]
    assert script.waiting == 1


async def test_a02_half_a_character_from_the_form_is_replaced_and_a_repeat_finds_it(script, asgi):
    for text in (r"Why \ud83d?\u0000", "Why \\ude00?\0", r"Why \ufffd?\ufffd"):
        response = await asgi.post("/chat/c1/", **escaped(id="m1", text=text))
        assert response.status_code == 303
    assert await stored() == [("user", "Why \ufffd?\ufffd"), ("assistant", "")]
    assert script.waiting == 1


async def test_a02_half_a_character_in_a_refused_text_is_shown_as_it_would_be_stored(script, asgi, settings):
    settings.CHAT = {**settings.CHAT, "MAX_MESSAGE_LENGTH": 3}
    response = await asgi.post("/chat/c1/", **escaped(id="m1", text=r"Why \ud83d?"))
    assert response.status_code == 413
    assert "Why \ufffd?" in response.content.decode()


async def test_the_same_id_with_another_text_is_refused_and_gets_a_new_id(script, asgi, served):
    await send(asgi)
    (await script.anext_reply()).finish()
    await ended(served)
    response = await send(asgi, "How?")
    assert response.status_code == 409
    assert ERRORS["conflict"].sentence in response.content.decode()
    fresh = re.search(r'name="id" value="([^"]+)"', response.content.decode())[1]
    assert (await send(asgi, "How?", id=fresh)).status_code == 303


@pytest.mark.parametrize(("text", "code", "status"), [(" \r\n", "empty", 400), ("<long>" * 10, "too_long", 413)])
async def test_the_form_refuses_what_the_socket_refuses_and_keeps_the_text(script, asgi, settings, text, code, status):
    settings.CHAT = {**settings.CHAT, "MAX_MESSAGE_LENGTH": 50}
    response = await send(asgi, text)
    page = response.content.decode()
    assert response.status_code == status
    assert f'role="alert">{ERRORS[code].sentence}</p>' in page
    assert text.replace("\r\n", "\n").replace("<", "&lt;").replace(">", "&gt;") in page
    assert 'name="id" value="m1"' in page
    assert await stored() == []


async def test_a_message_mid_answer_is_refused_and_the_page_does_not_refresh(script, asgi):
    await send(asgi)
    response = await send(asgi, "More?", id="m2")
    page = response.content.decode()
    assert response.status_code == 409
    assert ERRORS["busy"].sentence in page
    assert "More?</textarea>" in page
    assert 'action="/chat/c1/stop/"' in page
    assert 'http-equiv="refresh"' not in page


async def test_a_message_that_cannot_be_stored_is_an_error_and_can_be_sent_again(script, asgi, monkeypatch):
    with monkeypatch.context() as patch:

        def fail(*args):
            raise DatabaseError("away")

        patch.setattr("chat.engine.start.ask", fail)
        response = await send(asgi)
    assert response.status_code == 503
    assert ERRORS["storage"].sentence in response.content.decode()
    assert (await send(asgi)).status_code == 303


async def test_a_question_is_stored_even_if_its_sender_has_left(script, asgi, monkeypatch):
    begun, release = threading.Event(), threading.Event()
    monkeypatch.setattr("chat.engine.start.ask", lambda *args: begun.set() or (release.wait(5) and ask(*args)))
    sending = asyncio.ensure_future(send(asgi))
    assert await asyncio.to_thread(begun.wait, 5)
    sending.cancel()
    release.set()
    reply = await script.anext_reply()
    reply.finish()
    assert (await stored())[0] == ("user", "Why?")


async def test_a_message_without_a_conversation_begins_one_under_its_own_id(script, asgi):
    locations = {(await send(asgi, path="/chat/"))["Location"] for _ in range(2)}
    assert locations == {"/chat/m1/"}
    assert await sync_to_async(Conversation.objects.count)() == 1


@pytest.mark.parametrize(
    ("wanted", "location"),
    [
        ("/help/?a=1", "/help/?a=1"),
        ("https://elsewhere.example/", "/chat/c1/"),
        ("//elsewhere.example/", "/chat/c1/"),
        ("javascript:alert(1)", "/chat/c1/"),
    ],
)
async def test_a_form_redirects_to_pages_of_the_site_only(script, asgi, wanted, location):
    assert (await send(asgi, next=wanted))["Location"] == location
    assert (await asgi.post("/chat/c1/stop/", {"next": wanted}))["Location"] == location


async def test_an_answer_is_stopped(script, asgi, served):
    await send(asgi)
    reply = await script.anext_reply()
    assert (await asgi.post("/chat/c1/stop/"))["Location"] == "/chat/c1/"
    await eventually(reply.closed.is_set)
    await ended(served)
    assert await sync_to_async(Message.objects.filter(status="stopped").count)() == 1
    assert (await asgi.post("/chat/c1/stop/")).status_code == 303  # it has ended meanwhile


async def test_another_visitor_cannot_stop_an_answer(script, asgi):
    await send(asgi)
    reply = await script.anext_reply()
    assert (await AsyncClient().post("/chat/c1/stop/")).status_code == 404
    assert (await asgi.get("/chat/c1/stop/")).status_code == 405
    assert not reply.closed.is_set()


@pytest.mark.django_db
def test_under_wsgi_the_page_says_what_is_missing_and_keeps_the_text(ann):
    response = ann.post("/chat/c1/", {"id": "m1", "text": "Why?"})
    assert response.status_code == 501
    assert NO_ASGI in response.content.decode()
    assert "Why?</textarea>" in response.content.decode()
    assert not Message.objects.exists()


@pytest.mark.django_db
def test_under_wsgi_a_stop_is_left_to_the_process_of_the_answer(ann, converse):
    converse(status="running")
    assert ann.post("/chat/c1/stop/").status_code == 303
    assert Message.objects.get(uid="a-c1").stopping


@pytest.mark.django_db
def test_a_message_from_another_site_is_refused_without_csrf_middleware_too(settings):
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if not name.endswith("CsrfViewMiddleware")]
    strict = Client(enforce_csrf_checks=True)
    for path in ("/chat/c1/", "/chat/c1/delete/", "/chat/c1/rename/", "/chat/c1/stop/", "/chat/~delete/"):
        assert strict.post(path, {"text": "Hi"}).status_code == 403


async def test_b37_a_message_is_stored_and_stopped_in_a_site_with_atomic_requests(script, asgi, served, monkeypatch):
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    assert (await send(asgi)).status_code == 303
    reply = await script.anext_reply()
    assert "Why?" in (await asgi.get("/chat/c1/")).content.decode()
    assert (await asgi.post("/chat/c1/stop/")).status_code == 303
    await eventually(reply.closed.is_set)
    await ended(served)
    assert (await asgi.post("/chat/c1/rename/", {"title": "Blue"})).status_code == 303
    assert (await asgi.post("/chat/c1/delete/", {"confirm": "on"})).status_code == 303
    assert not await sync_to_async(ANN.conversations.exists)()


async def test_a_limit_refuses_a_message_with_the_time_and_keeps_its_text(script, asgi, served, settings):
    settings.CHAT = {**settings.CHAT, "LIMITS": {"anonymous": {"answers": "1/day"}}}
    await send(asgi)
    (await script.anext_reply()).finish()
    await ended(served)
    response = await send(asgi, "And <then>?", id="m2")
    page = response.content.decode()
    assert response.status_code == 429
    assert 0 < int(response["Retry-After"]) <= 24 * 60 * 60
    assert re.search(r"You have reached the limit\. You can send again at .*midnight UTC\.", page)
    assert "And &lt;then&gt;?</textarea>" in page
    assert 'name="id" value="m2"' in page
    assert await stored() == [("user", "Why?"), ("assistant", "")]
    assert script.waiting == 0
    again = await send(asgi)
    assert again.status_code == 303, "a repeat is not refused"


async def test_a_limit_of_an_address_counts_forms_by_what_the_trusted_proxy_has_seen(script, asgi, settings):
    limits = {"address": {"answers": "1/day"}}
    settings.CHAT = {**settings.CHAT, "LIMITS": limits, "TRUSTED_PROXIES": 1}
    for place, (address, status) in enumerate([("8.8.8.8", 303), ("1.2.3.4, 8.8.8.8", 429), ("9.9.9.9", 303)]):
        sent = {"id": "m1", "text": "Why?"}
        response = await asgi.post(f"/chat/c{place}/", sent, headers={"X-Forwarded-For": address})
        assert response.status_code == status, address


async def test_one_of_too_many_new_visitors_cannot_send(script, served, settings):
    settings.CHAT = {**settings.CHAT, "MAX_NEW_VISITORS_PER_ADDRESS": "1/hour", "TRUSTED_PROXIES": 1}
    for status in (303, 429):
        sent = {"id": "m1", "text": "Why?"}
        response = await AsyncClient().post("/chat/c1/", sent, headers={"X-Forwarded-For": "8.8.8.8"})
        assert response.status_code == status
    page = response.content.decode()
    assert ERRORS["too_many_visitors"].sentence in page and "Why?</textarea>" in page
    assert await sync_to_async(Conversation.objects.count)() == 1
