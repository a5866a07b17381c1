"""Deciding about a call without JavaScript, by the form of its buttons."""

import re
from urllib.parse import urljoin

import pytest
from asgiref.sync import sync_to_async
from django.db import DatabaseError
from django.test import AsyncClient, Client

from chat.assistants import Assistant, tool
from chat.assistants.discovery import registry
from chat.conf import conf
from chat.errors import ERRORS, sentence
from chat.health import NO_ASGI
from chat.models import Message, ToolCall
from tests.support.upstream import eventually
from tests.views.conftest import ANN

CANCELLED = []
ARTICLE = "/help/?a=1"


class Default(Assistant):
    @tool(confirm=True)
    def cancel(self, number: str):
        """Cancels an order."""
        CANCELLED.append(number)
        return "cancelled"


@pytest.fixture(autouse=True)
def assistant():
    CANCELLED.clear()
    with registry.replaced(Default):
        yield


@pytest.fixture
async def waiting(served, asked):
    return await sync_to_async(asked)()


def decide(client, value="allow t-1", path="/chat/c1/call/", **fields):
    return client.post(path, {"call": value, **fields})


def error_in(response):
    """Return the reason that a page shows."""
    return re.search(r'<p class="llm-chat-hint llm-chat-hint-error" role="alert">([^<]*)', response.content.decode())[1]


@sync_to_async
def stored():
    call = ToolCall.objects.get()
    return call.state, call.decided_by, call.message.status


async def ended(served):
    await eventually(lambda: not served.runs_of(ANN, "c1"))


@pytest.mark.parametrize(
    ("verb", "told", "end"), [("allow", "cancelled", "done"), ("deny", "The user declined this call.", "denied")]
)
async def test_a_decision_lets_the_answer_go_on(script, asgi, served, waiting, verb, told, end):
    response = await decide(asgi, f"{verb} t-1")
    assert (response.status_code, response["Location"]) == (303, "/chat/c1/")
    reply = await script.anext_reply()
    assert reply.request.messages[-1]["content"] == told
    page = (await asgi.get("/chat/c1/")).content.decode()
    assert 'action="/chat/c1/stop/"' in page and 'value="allow t-1"' not in page
    reply.say("So be it.")
    reply.finish()
    await ended(served)
    assert await stored() == (end, "visitor:ann", "complete")
    assert len(CANCELLED) == (verb == "allow")


async def test_the_buttons_of_the_page_can_be_pressed_as_they_are(script, asgi, served, waiting):
    page = (await asgi.get("/chat/c1/")).content.decode()
    form = re.search(r'<form id="llm-chat-calls-c1" method="post" action="([^"]+)".*?</form>', page, re.S)
    token = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]+)">', form[0]))
    buttons = re.findall(r'<button [^>]*form="llm-chat-calls-c1" name="call" value="([^"]+)"', page)
    assert buttons == ["allow t-1", "deny t-1"]
    strict = AsyncClient(enforce_csrf_checks=True)
    strict.cookies = asgi.cookies
    assert (await decide(strict, buttons[0], form[1])).status_code == 403
    assert (await stored())[0] == "asked"
    assert (await decide(strict, buttons[0], form[1], **token)).status_code == 303
    await script.anext_reply()
    assert CANCELLED == ["B7"]


async def test_the_same_decision_again_changes_nothing_and_the_opposite_one_is_refused(script, asgi, served, waiting):
    assert {(await decide(asgi)).status_code for _ in range(2)} == {303}
    await script.anext_reply()
    response = await decide(asgi, "deny t-1")
    assert (response.status_code, error_in(response)) == (409, ERRORS["conflict"].sentence)
    assert (CANCELLED, script.waiting) == (["B7"], 0)


@pytest.mark.parametrize(
    "value", ["", "allow", "t-1", "approve t-1", "allow  t-1", "allow t-2", "Allow t-1", "deny \0"]
)
async def test_what_names_no_question_is_refused(script, asgi, waiting, value):
    response = await decide(asgi, value)
    assert (response.status_code, error_in(response)) == (404, ERRORS["not_found"].sentence)
    assert 'value="allow t-1"' in response.content.decode()
    assert (await stored())[0] == "asked"


async def test_nobody_else_can_decide_or_see_the_question(script, asgi, waiting):
    other = AsyncClient()
    response = await decide(other)
    assert response.status_code == 404
    assert "B7" not in response.content.decode()
    assert (await decide(asgi, path="/chat/none/call/")).status_code == 404
    assert (await stored())[0] == "asked"


async def test_a_decision_needs_a_short_form_that_is_posted(asgi, waiting):
    assert (await asgi.get("/chat/c1/call/")).status_code == 405
    assert (await decide(asgi, more="x" * conf.max_form_size)).status_code == 413
    assert (await stored())[0] == "asked"


@pytest.mark.parametrize(
    ("wanted", "location"),
    [
        (ARTICLE, ARTICLE),
        ("https://elsewhere.example/", "/chat/c1/"),
        ("//elsewhere.example/", "/chat/c1/"),
        ("javascript:alert(1)", "/chat/c1/"),
    ],
)
async def test_a_decision_leads_back_to_pages_of_the_site_only(script, asgi, waiting, wanted, location):
    assert (await decide(asgi, next=wanted))["Location"] == location
    refused = (await decide(asgi, "deny t-1", next=wanted)).content.decode()
    assert (f'href="{wanted}"' in refused) == (wanted == location)
    assert refused.count(f'name="next" value="{wanted}"') == (3 if wanted == location else 0)  # in each form


async def test_a_refused_decision_leaves_links_that_work(script, asgi, waiting):
    """The page has the URL of the form, which cannot be read."""
    call = await ToolCall.objects.select_related("message__conversation").aget()
    await sync_to_async(_grow)(call.message)
    page = (await decide(asgi, "approve t-1")).content.decode()
    (link,) = re.findall(r'href="([^"]*\?before=[^"]*)"', page)
    assert (await asgi.get(urljoin("/chat/c1/call/", link))).status_code == 200
    assert 'http-equiv="refresh"' not in page


def _grow(answer):
    """Put more messages above an answer than a page shows."""
    conversation, parent = answer.conversation, None
    first = Message.objects.get(pk=answer.parent_id)
    for number in range(70):
        role = "assistant" if number % 2 else "user"
        parent = conversation.message_set.create(uid=f"m{number}", role=role, text="Hm.", parent=parent)
    again = conversation.message_set.create(uid="again", role="user", text=first.text, parent=parent)
    answer.pk, answer.uid, answer.parent = None, "last", again
    answer.save()
    conversation.tip = answer
    conversation.save()


async def test_a_decision_that_cannot_be_stored_is_an_error_and_can_be_made_again(script, asgi, waiting, monkeypatch):
    with monkeypatch.context() as patch:

        def fail(*args):
            raise DatabaseError("canary-52")

        patch.setattr("chat.db.decisions.decide", fail)
        response = await decide(asgi)
    assert (response.status_code, error_in(response)) == (503, ERRORS["storage"].sentence)
    assert "canary-52" not in response.content.decode()
    assert (await stored())[0] == "asked"
    assert (await decide(asgi)).status_code == 303
    await script.anext_reply()


async def test_a_lost_permission_is_said_and_the_question_stays(script, asgi, waiting, monkeypatch):
    monkeypatch.setattr(Default, "has_permission", lambda self: False)
    response = await decide(asgi)
    assert response.status_code == 403
    assert error_in(response) == ERRORS["forbidden"].sentence
    assert " forbidden>" in response.content.decode()
    assert (await stored())[0] == "asked"


async def test_a_reason_is_in_the_language_of_the_page(asgi, waiting):
    response = await asgi.post("/chat/c1/call/", {"call": "allow t-2"}, headers={"Accept-Language": "de"})
    assert error_in(response) == sentence("not_found", "de") != sentence("not_found")


async def test_a_stop_denies_what_is_asked(script, asgi, served, waiting):
    response = await asgi.post("/chat/c1/stop/", {"next": ARTICLE})
    assert (response.status_code, response["Location"]) == (303, ARTICLE)
    assert await stored() == ("denied", "visitor:ann", "stopped")
    response = await decide(asgi)
    assert (response.status_code, error_in(response)) == (409, ERRORS["conflict"].sentence)
    assert 'value="allow t-1"' not in response.content.decode()
    assert (CANCELLED, script.waiting) == ([], 0)


async def test_nobody_else_can_stop_an_answer_that_waits(asgi, waiting):
    assert (await AsyncClient().post("/chat/c1/stop/")).status_code == 404
    assert (await stored())[2] == "waiting"


@pytest.mark.django_db
def test_under_wsgi_the_page_says_what_is_missing(ann, asked):
    asked()
    response = decide(ann)
    assert (response.status_code, error_in(response)) == (501, NO_ASGI)
    assert ToolCall.objects.get().state == "asked"


@pytest.mark.django_db
def test_under_wsgi_a_stop_denies_what_is_asked(ann, asked):
    asked()
    assert ann.post("/chat/c1/stop/").status_code == 303
    call = ToolCall.objects.get()
    assert (call.state, call.decided_by, call.message.status) == ("denied", "visitor:ann", "stopped")


@pytest.mark.django_db
def test_a_decision_from_another_site_is_refused_without_csrf_middleware_too(settings):
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if not name.endswith("CsrfViewMiddleware")]
    assert decide(Client(enforce_csrf_checks=True)).status_code == 403
