"""A site's template of a tool: the same HTML wherever its call is shown, live or from the database."""

import re

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.test import Client

from chat.assistants import Assistant, tool
from chat.assistants.discovery import registry
from tests.conftest import VISITOR, SessionStore
from tests.support.templates import OwnTemplates

HTML = {"view": "html", "assistant": "support"}
SHOWN = "<b>done B7 for support in c1</b>"
TEMPLATE = "<b>{{ call.state }} {{ call.output }} for {{ assistant }} in {{ conversation.id }}</b>"
CALL = re.compile(r'<llm-chat-part [^>]*tool" data-part="0">(.*?)<span class="llm-chat-dots"', re.DOTALL)


class Support(Assistant):
    """Helps customers."""

    @tool
    def orders(self):
        """The customer's orders."""
        return "B7"


@pytest.fixture(autouse=True)
def assistant():
    with registry.replaced(Support):
        yield


@pytest.fixture
def template(settings, tmp_path):
    """Return a function that gives the site a template of its own for calls."""
    return OwnTemplates(settings, tmp_path).tool


async def asked(socket, script):
    """Ask, let the model call the tool and answer, and return the chunks."""
    request = await socket.ask("Where is my order?", body=HTML)
    first = await script.anext_reply()
    first.call("orders")
    first.finish("tool-calls")
    second = await script.anext_reply()
    second.say("On its way.")
    second.finish()
    return await socket.chunks(request)


def shown(chunks):
    """Return the call as the page has it after some chunks."""
    found = [chunk["data"]["html"] for chunk in chunks if chunk["type"] in ("data-message", "data-part")]
    return [call for html in found for call in CALL.findall(html)][-1]


def page(path):
    browser = Client()
    store = SessionStore()
    store[VISITOR] = "somebody"
    store.save()
    browser.cookies[django_settings.SESSION_COOKIE_NAME] = store.session_key
    return browser.get(path).content.decode()


async def test_a_call_is_the_same_on_every_way_to_the_page(connect, script, template):
    template("support/orders.html", TEMPLATE)
    socket = await connect()
    chunks = await asked(socket, script)
    answer = chunks[0]["messageId"]
    assert shown(chunks) == SHOWN
    again = await socket.chunks(await socket.ask("Where is my order?", body=HTML))
    assert shown(again) == SHOWN
    resumed = await socket.chunks(await socket.resume(body=HTML))
    assert shown(resumed) == SHOWN
    selected = await socket.send({"type": "select", "id": "c1", "messageId": answer})
    assert shown(await socket.chunks(selected)) == SHOWN
    for path in ("/chat/c1/", "/chat/c1/print/"):
        assert CALL.findall(await sync_to_async(page)(path)) == [SHOWN]


async def test_a_call_of_an_earlier_page_is_the_same(connect, script, template):
    template("support/orders.html", TEMPLATE)
    socket = await connect()
    await asked(socket, script)
    request = await socket.ask("And now?", message="m2", body=HTML)
    (await script.anext_reply()).finish()
    await socket.chunks(request)
    earlier = await socket.send({"type": "earlier", "id": "c1", "messageId": "m2"})
    assert SHOWN in str(await socket.rest(earlier))


async def test_a_template_that_fails_costs_neither_the_live_answer_nor_the_stored_page(
    connect, script, template, caplog
):
    template("support/orders.html", "{% include 'llm_chat/tools/no_such.html' %}")
    socket = await connect()
    chunks = await asked(socket, script)
    assert chunks[-1]["type"] == "finish"
    html = shown(chunks)
    assert "Orders" in html
    assert CALL.findall(await sync_to_async(page)("/chat/c1/")) == [html]
    assert [record.name for record in caplog.records if record.levelname == "ERROR"] == ["chat.html.calls"]
