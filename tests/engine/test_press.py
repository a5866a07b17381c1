"""Buttons in tools' templates: a question of the visitor's whose answer begins with the call."""

from types import SimpleNamespace

import pytest
from django.contrib.auth.models import User

from chat.assistants import Assistant, tool
from chat.assistants.buttons import sign
from chat.assistants.discovery import registry
from chat.models import Message, ToolCall
from chat.owners import Owner
from tests.support.sockets import text_of
from tests.support.upstream import eventually

OWNER = Owner("visitor:somebody")
RUNS = SimpleNamespace(cancelled=[])


class Default(Assistant):
    @tool
    def cancel(self, number: str):
        """Cancels an order."""
        RUNS.cancelled.append(number)
        return "cancelled"

    @tool(confirm=True)
    def refund(self, number: str):
        """Refunds an order."""
        RUNS.cancelled.append(number)
        return "refunded"

    @tool(permission="auth.delete_user")
    def secret(self):
        """For some."""


@pytest.fixture(autouse=True)
def assistant():
    RUNS.cancelled = []
    with registry.replaced(Default):
        yield


@pytest.fixture
async def socket(connect, script):
    """Open a conversation with one answer."""
    socket = await connect()
    request = await socket.ask("My orders?")
    reply = await script.anext_reply()
    reply.say("B7.")
    reply.finish()
    await socket.chunks(request)
    return socket


def value(tool="cancel", label="Cancel B7", *, answers=True, owner=OWNER, **arguments):
    return sign(owner.digest, "c1", "default", tool, arguments or {"number": "B7"}, label, answers=answers)


async def press(socket, given, **more):
    return await socket.send({"type": "press", "id": "c1", "value": given, **more})


async def messages():
    return [(found.role, found.text, found.status) async for found in Message.objects.order_by("pk")]


async def test_a_press_is_a_question_whose_answer_begins_with_the_call(socket, script):
    request = await press(socket, value())
    reply = await script.anext_reply()
    assert RUNS.cancelled == ["B7"]
    question, asked, result = reply.request.messages[-3:]
    assert (question["role"], question["content"]) == ("user", "Cancel B7")
    assert asked["tool_calls"][0]["function"]["name"] == "cancel"
    assert result["content"] == "cancelled"
    reply.say("It is cancelled.")
    reply.finish()
    kinds = [chunk["type"] for chunk in await socket.chunks(request)]
    assert kinds == [
        *("start", "start-step", "tool-input-available", "tool-output-available", "finish-step"),
        *("start-step", "text-start", "text-delta", "text-end", "finish-step", "finish"),
    ]
    assert (await messages())[2:] == [
        ("user", "Cancel B7", "complete"),
        ("assistant", "It is cancelled.", "complete"),
    ]


async def test_a_press_without_an_answer_asks_no_model(socket, script):
    chunks = await socket.chunks(await press(socket, value(answers=False)))
    assert [chunk["type"] for chunk in chunks][-3:] == ["tool-output-available", "finish-step", "finish"]
    assert (RUNS.cancelled, script.waiting) == (["B7"], 0)
    assert (await messages())[-1] == ("assistant", "", "complete")
    await socket.ask("And now?", message="m2")
    reply = await script.anext_reply()
    assert [message["content"] for message in reply.request.messages][-3:] == ["", "cancelled", "And now?"]


async def test_the_same_button_twice_is_one_call(socket, script):
    given = value()
    first, again = await press(socket, given), await press(socket, given)
    reply = await script.anext_reply()
    reply.say("Done.")
    reply.finish()
    assert text_of(await socket.chunks(first)) == text_of(await socket.chunks(again)) == "Done."
    assert text_of(await socket.chunks(await press(socket, given))) == "Done."
    assert (RUNS.cancelled, script.waiting) == (["B7"], 0)


async def test_a_press_while_an_answer_runs_is_busy(socket, script):
    await socket.ask("Next", message="m2")
    reply = await script.anext_reply()
    assert await socket.error(await press(socket, value())) == "busy"
    reply.finish()
    assert RUNS.cancelled == []


@pytest.mark.parametrize("answers", [True, False])
@pytest.mark.parametrize("approved", [True, False])
async def test_a_press_may_ask_first(socket, script, answers, approved):
    chunks = await socket.chunks(await press(socket, value("refund", answers=answers)))
    assert chunks[-1]["finishReason"] == "tool-calls"
    assert RUNS.cancelled == []
    call = await ToolCall.objects.aget()
    request = await socket.decide(call.uid, approved)
    if answers:
        reply = await script.anext_reply()
        reply.say("So be it.")
        reply.finish()
    chunks = await socket.chunks(request)
    assert chunks[-1]["finishReason"] == "stop"
    assert text_of(chunks) == ("So be it." if answers else "")
    assert (RUNS.cancelled, script.waiting) == (["B7"] if approved else [], 0)


async def test_an_answer_of_one_step_hears_of_the_result(socket, script, monkeypatch):
    monkeypatch.setattr(Default, "max_steps", 1)
    request = await press(socket, value())
    reply = await script.anext_reply()
    reply.say("Done.")
    reply.finish()
    assert text_of(await socket.chunks(request)) == "Done."


@pytest.mark.parametrize("given", ["", "forged", "a:b:c"])
async def test_a_forged_button_stores_nothing(socket, script, given):
    before = await messages()
    assert await socket.error(await press(socket, given)) == "not_found"
    assert (await messages(), RUNS.cancelled, script.waiting) == (before, [], 0)


async def test_a_button_of_another_visitor_stores_nothing(socket, connect, script):
    other = await connect("other")
    assert await other.error(await press(other, value())) == "not_found"
    assert await socket.error(await press(socket, value(owner=Owner("visitor:other")))) == "not_found"
    assert RUNS.cancelled == []


async def test_a_tool_that_the_visitor_lacks_is_refused(socket, script, connect):
    user = await User.objects.acreate_user("ann")
    there = await connect(user=user)
    given = sign(Owner(f"user:{user.pk}").digest, "c1", "default", "secret", {}, "Do it", answers=True)
    assert await there.error(await press(there, given)) == "forbidden"
    assert await Message.objects.acount() == 2


async def test_a_press_declines_what_was_asked_before(socket, script):
    await socket.chunks(await press(socket, value("refund")))
    await press(socket, value())
    reply = await script.anext_reply()
    states = [call.state async for call in ToolCall.objects.order_by("pk")]
    assert (states, RUNS.cancelled) == (["denied", "done"], ["B7"])
    reply.finish()


async def test_a_page_is_shown_the_question_and_the_answer(socket, script, served):
    request = await press(socket, value(), body={"view": "html"})
    reply = await script.anext_reply()
    reply.say("Done.")
    reply.finish()
    chunks = await socket.chunks(request)
    shown = [chunk["data"] for chunk in chunks if chunk["type"] == "data-message"]
    assert "Cancel B7" in shown[0]["html"]
    await eventually(lambda: not served.runs)
