"""Several backends: the next one answers where one fails before it has said anything in a step."""

import json

import pytest
from asgiref.sync import sync_to_async

from chat.assistants import Assistant, tool
from chat.assistants.discovery import registry
from chat.backends.scripted import Script
from chat.engine.fallback import CODES
from chat.errors import ERRORS
from chat.models import Message
from tests.conftest import chat_settings
from tests.support.sockets import text_of

SCRIPTED = "chat.backends.scripted.ScriptedBackend"


class Default(Assistant):
    instructions = "Be brief."
    backend = ("first", "second")

    @tool
    def orders(self):
        """The orders."""
        return ["B7"]


@pytest.fixture
def first(settings):
    names = {"first": Script("first"), "second": Script("second")}
    backends = {name: {"BACKEND": SCRIPTED, "OPTIONS": {"script": name}} for name in names}
    backends["default"] = backends["first"]
    settings.CHAT = chat_settings(BACKENDS=backends, RETRIES=0)
    with registry.replaced(Default):
        yield names["first"]


@pytest.fixture
def second(first):
    return Script._scripts["second"]


async def answer():
    return await sync_to_async(Message.objects.filter(role="assistant").order_by("-pk").first)()


@pytest.mark.parametrize("code", sorted(CODES))
async def test_the_next_backend_answers_where_one_fails(connect, first, second, code):
    socket = await connect()
    request = await socket.ask("Why?")
    (await first.anext_reply()).fail(code)
    reply = await second.anext_reply()
    assert [message["role"] for message in reply.request.messages] == ["system", "user"]
    reply.say("So.")
    reply.finish()
    assert text_of(await socket.chunks(request)) == "So."
    assert (await answer()).status == "complete"


@pytest.mark.parametrize("code", ["context", "refused", "internal"])
async def test_no_other_backend_answers_what_was_refused(connect, first, second, code):
    assert code in ERRORS
    socket = await connect()
    request = await socket.ask("Why?")
    (await first.anext_reply()).fail(code)
    assert (await socket.rest(request))[-2]["code"] == code
    assert second.waiting == 0


async def test_no_other_backend_answers_after_the_first_word(connect, first, second):
    socket = await connect()
    request = await socket.ask("Why?")
    reply = await first.anext_reply()
    reply.say("So")
    reply.fail("upstream")
    assert (await socket.rest(request))[-2]["code"] == "upstream"
    assert second.waiting == 0


async def test_the_failure_of_the_last_backend_is_that_of_the_answer(connect, first, second):
    socket = await connect()
    request = await socket.ask("Why?")
    (await first.anext_reply()).fail("auth")
    (await second.anext_reply()).fail("rate_limited")
    assert (await socket.rest(request))[-2]["code"] == "rate_limited"


async def test_a_model_that_says_nothing_in_time_is_given_up_for_the_next(connect, first, second, settings):
    settings.CHAT["FIRST_TOKEN_TIMEOUT"] = 0.3
    socket = await connect()
    request = await socket.ask("Why?")
    silent = await first.anext_reply()
    reply = await second.anext_reply()
    assert silent.closed.is_set()
    reply.say("So.")
    reply.finish()
    assert text_of(await socket.chunks(request)) == "So."


async def test_stop_while_the_first_is_silent_does_not_call_the_second(connect, first, second):
    socket = await connect()
    request = await socket.ask("Why?")
    await first.anext_reply()
    await socket.abort(request)
    assert (await socket.chunks(request))[-1]["type"] == "abort"
    assert second.waiting == 0


async def test_another_backend_goes_on_with_the_steps_of_the_first(connect, first, second):
    socket = await connect()
    request = await socket.ask("Why?")
    reply = await first.anext_reply()
    reply.say("Look.")
    reply.call_with("orders", "{}", id="call_of_first", signature="x")
    reply.finish("tool-calls")
    (await first.anext_reply()).fail("upstream")
    later = await second.anext_reply()
    *_, asked, result = later.request.messages
    assert (asked["content"], json.loads(result["content"])) == ("Look.", ["B7"])
    assert asked["tool_calls"][0]["id"] == result["tool_call_id"] != "call_of_first"
    assert "signature" not in asked["tool_calls"][0]
    later.say("So.")
    later.finish()
    assert (await socket.chunks(request))[-1]["type"] == "finish"


async def test_the_answer_names_the_model_that_has_written_it(connect, first, second, monkeypatch):
    from chat.backends.scripted import ScriptedBackend

    monkeypatch.setattr(ScriptedBackend, "model", property(lambda self: f"model of {self._script}"))
    socket = await connect()
    request = await socket.ask("Why?")
    assert (await first.anext_reply()).fail("auth") is None
    (await second.anext_reply()).finish()
    await socket.rest(request)
    assert (await answer()).model == "model of second"


async def test_a_continued_answer_is_handed_over_with_its_beginning(connect, first, second):
    socket = await connect()
    request = await socket.ask("Why?")
    reply = await first.anext_reply()
    reply.say("Half")
    reply.break_off()
    await socket.rest(request)
    request = await socket.regenerate((await answer()).uid, attempt="a1", body={"continue": True})
    (await first.anext_reply()).fail("upstream")
    later = await second.anext_reply()
    assert [message["content"] for message in later.request.messages][1:3] == ["Why?", "Half"]
    later.say(" way.")
    later.finish()
    await socket.rest(request)
    assert (await answer()).text == "Half way."
