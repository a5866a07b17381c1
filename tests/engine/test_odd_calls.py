"""Calls as no endpoint should send them, and tools as no site should write them: the answer goes on."""

import json
import threading

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection, connections, transaction
from django.test import AsyncClient

from chat.assistants import Assistant, Progress, tool
from chat.assistants.calling import FAILED
from chat.assistants.discovery import registry
from chat.assistants.results import CUT, MAX_RESULT
from chat.assistants.tools import MAX_ARGUMENTS
from chat.engine.calls import NO_TOOL
from chat.models import Message, ToolCall
from chat.owners import VISITOR

TAKEN: list[object] = []


class Default(Assistant):
    @tool
    def take(self, value: str = "default"):
        """Takes a text."""
        TAKEN.append(value)
        return value

    @tool
    def take_any(self, value: dict | None = None):
        """Takes any object."""
        TAKEN.append(value)
        return value

    @tool
    def nothing(self):
        """Yields nothing."""
        yield from ()

    @tool
    def progress_last(self):
        """Yields its progress last."""
        yield "dropped"
        yield Progress("Nearly done")

    @tool
    async def progress_last_on_the_loop(self):
        """Yields its progress last."""
        yield "dropped"
        yield Progress("Nearly done")

    @tool
    def deep(self):
        """Returns something deep."""
        found: list = []
        for _ in range(10_000):
            found = [found]
        return found

    @tool
    def not_so_deep(self):
        """Returns something that JSON can hold and a row cannot."""
        return json.loads("[" * 100 + "]" * 100)

    @tool
    def long(self):
        """Returns something long."""
        return "x" * 2 * MAX_RESULT

    @tool
    def write(self, name: str):
        """Writes a row."""
        Group.objects.create(name=name)
        return [connection.in_atomic_block, threading.current_thread().name.startswith("chat-tools")]

    @tool
    def write_and_fail(self, name: str):
        """Writes a row in a transaction of its own, and fails."""
        with transaction.atomic():
            Group.objects.create(name=name)
            raise ValueError

    @tool(confirm=True)
    def write_if_allowed(self, name: str):
        """Writes a row if the visitor agrees."""
        return self.write(name)


@pytest.fixture(autouse=True)
def assistant():
    TAKEN.clear()
    with registry.replaced(Default):
        yield


async def results(connect, script, *calls, ids=(), say="", ask=None):
    """Let a model call tools with these arguments, and return what it reads of them, and its second reply."""
    request = None
    if ask is None:
        socket = await connect()
        request = await socket.ask("Why?")
    else:
        await ask
    reply = await script.anext_reply()
    if say:
        reply.say(say)
    for number, (name, arguments) in enumerate(calls):
        reply.call_with(name, arguments, id=ids[number] if ids else "")
    reply.finish("tool-calls")
    second = await script.anext_reply()
    found = [message["content"] for message in second.request.messages if message["role"] == "tool"]
    second.say("So.")
    second.finish()
    if request is not None:
        assert (await socket.chunks(request))[-1]["type"] == "finish"
    return found, second


@pytest.mark.parametrize("arguments", ["", " ", "null", "{}", '""', '"null"', '"{}"'])
async def test_a_call_without_arguments_takes_the_defaults(connect, script, arguments):
    found, _ = await results(connect, script, ("take", arguments))
    assert (found, TAKEN) == (["default"], ["default"])


DEEP = '{"value": ' + '{"a":' * 10_000 + "1" + "}" * 10_001


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("take", "{", "not valid JSON"),
        ("take", "[]", "must be a JSON object"),
        ("take", '"7"', "must be a JSON object"),
        ("take", '{"value": {"a": 1}}', "value: Input should be a valid string"),
        ("take", '{"value": null}', "value: Input should be a valid string"),
        ("take", '{"value": "a", "self": "b"}', "self: Extra inputs are not permitted"),
        ("take", '{"value": "' + "x" * 5_000_000 + '"}', f"{MAX_ARGUMENTS} characters"),
        ("take_any", '{"value": {"a": NaN}}', "not valid JSON"),
        ("take_any", '{"value": {"a": -Infinity}}', "not valid JSON"),
        ("take_any", '{"value": {"a": 1e400}}', "not valid JSON"),
        ("take_any", '{"value": {"a": ' + "9" * 5_000 + "}}", "not valid JSON"),
        ("take_any", DEEP, "not valid JSON"),
        ("take_any", '{"value": ' + '{"a": ' * 100 + "1" + "}" * 101, "nested too deeply"),
    ],
    ids=range(13),
)
async def test_arguments_that_no_tool_can_take_are_refused_with_a_sentence(connect, script, name, arguments, said):
    found, second = await results(connect, script, (name, arguments), ("take", '{"value": "b"}'))
    assert said in found[0]
    assert len(found[0]) < 600
    assert (found[1], TAKEN) == ("b", ["b"])
    asked = second.request.messages[-3]["tool_calls"][0]["function"]
    assert len(asked["arguments"]) < MAX_ARGUMENTS
    assert [call.state async for call in ToolCall.objects.order_by("pk")] == ["failed", "done"]


@pytest.mark.parametrize(
    "ids",
    [("", ""), ("a", "a"), ("a", ""), ("\0", "\ud800"), ("x" * 300, "x" * 300)],
    ids=["empty", "repeated", "missing", "not to be stored", "too long"],
)
async def test_each_call_is_told_apart_whatever_ids_a_model_gives(connect, script, ids):
    calls = ("take", '{"value": "a"}'), ("take", '{"value": "b"}')
    _, second = await results(connect, script, *calls, ids=ids)
    asked, *answers = second.request.messages[-3:]
    given = [call["id"] for call in asked["tool_calls"]]
    assert len(set(given)) == 2
    assert all(given)
    assert [(answer["tool_call_id"], answer["content"]) for answer in answers] == list(zip(given, "ab", strict=True))
    assert len({call.uid async for call in ToolCall.objects.all()} - set(ids)) == 2


async def test_fields_of_a_call_that_cannot_be_stored_are_dropped(connect, script):
    socket = await connect()
    await socket.ask("Why?")
    reply = await script.anext_reply()
    for extra in (float("inf"), json.loads("[" * 100 + "]" * 100), "x" * 100_000, "\0"):
        reply.call_with("take", "{}", field=extra)
    reply.finish("tool-calls")
    await script.anext_reply()
    stored = [call.extra async for call in ToolCall.objects.order_by("pk")]
    assert stored == [{}, {}, {}, {"field": "\ufffd"}]


@pytest.mark.parametrize("name", ["missing", "__init__", "get_instructions", "user", "a b/../c", "é" * 100, "\0"])
async def test_an_unknown_tool_beside_text_is_told_to_the_model_and_the_text_stays(connect, script, name):
    found, second = await results(connect, script, (name, "{}"), say="Let me see.")
    assert found == [NO_TOOL]
    asked = second.request.messages[-2]
    assert asked["content"] == "Let me see."
    assert all(letter.isascii() and letter not in " /." for letter in asked["tool_calls"][0]["function"]["name"])
    stored = await Message.objects.aget(role="assistant")
    assert [part["type"] for part in stored.parts] == ["text", "tool", "text"]
    assert (stored.status, stored.text) == ("complete", "Let me see.\n\nSo.")


async def test_a_tool_without_a_last_value_has_no_result(connect, script):
    names = ["nothing", "progress_last", "progress_last_on_the_loop"]
    found, _ = await results(connect, script, *((name, "{}") for name in names))
    assert found == ["null"] * 3
    assert [(call.state, call.output) async for call in ToolCall.objects.all()] == [("done", None)] * 3


async def test_a_result_that_cannot_be_stored_is_a_failure_and_a_long_one_is_cut(connect, script):
    found, _ = await results(connect, script, ("deep", "{}"), ("not_so_deep", "{}"), ("long", "{}"))
    assert found[:2] == [FAILED, FAILED]
    assert found[2].endswith(CUT)
    assert len(found[2]) < MAX_RESULT + 100


# ---- Tools that write, on a site with ATOMIC_REQUESTS ----


@pytest.fixture
async def atomic(served, monkeypatch):
    """Return the browser of a visitor, of a site whose views run in transactions."""
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    store = SessionStore()
    store[VISITOR] = "somebody"
    await sync_to_async(store.save)()
    client = AsyncClient(headers={"accept": "text/html"})
    client.cookies["sessionid"] = store.session_key
    return client


async def test_a_tool_writes_outside_of_the_transaction_of_a_request(connect, script, atomic):
    ask = atomic.post("/chat/c1/", {"id": "m1", "text": "Why?"})
    calls = ("write", '{"name": "A"}'), ("write_and_fail", '{"name": "B"}')
    found, _ = await results(connect, script, *calls, ask=ask)
    assert found == ["[false, true]", FAILED]
    assert [group.name async for group in Group.objects.all()] == ["A"]


async def test_a_tool_that_was_allowed_writes_outside_of_it_too(connect, script, atomic):
    await atomic.post("/chat/c1/", {"id": "m1", "text": "Why?"})
    reply = await script.anext_reply()
    reply.call("write_if_allowed", name="A")
    reply.finish("tool-calls")
    socket = await connect()
    await socket.chunks(await socket.resume())
    call = await ToolCall.objects.aget()
    assert (await atomic.post("/chat/c1/call/", {"call": f"allow {call.uid}"})).status_code == 303
    second = await script.anext_reply()
    assert second.request.messages[-1]["content"] == "[false, true]"
    second.finish()
    assert await Group.objects.aexists()
