"""What a site's receivers hear, and what they can refuse."""

import threading
from contextlib import contextmanager

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.test import AsyncClient

from chat.assistants import Assistant, tool
from chat.assistants.discovery import registry
from chat.errors import ERRORS
from chat.models import Message
from chat.signals import ChatRefused, answered, asking, rated, tool_called
from tests.support.upstream import eventually


@contextmanager
def receiving(signal, receiver=None, sender=None):
    """Connect a receiver for a while; yield what it has heard."""
    heard = []

    def note(sender, **given):
        given["thread"] = threading.current_thread().name
        heard.append((sender, given))
        return receiver(**given) if receiver else None

    signal.connect(note, sender=sender)
    try:
        yield heard
    finally:
        signal.disconnect(note, sender=sender)


def refuse(text, **_):
    if "secret" in text:
        raise ChatRefused("Keep your secrets.")


@sync_to_async
def stored():
    return list(Message.objects.order_by("pk").values_list("role", "text"))


async def test_a_receiver_refuses_a_question_with_its_own_sentence_before_anything_is_stored(script, connect):
    socket = await connect()
    with receiving(asking, refuse):
        frame = await socket.frame(await socket.ask("My secret"))
        assert (frame["type"], frame["code"], frame["errorText"]) == ("error", "declined", "Keep your secrets.")
        assert await stored() == []
        await socket.ask("My bicycle", message="m2")
        assert (await script.anext_reply()).request.messages[-1]["content"] == "My bicycle"
    assert script.waiting == 0


async def test_receivers_of_asking_get_the_question_its_kind_and_the_visitor_on_a_thread_of_the_hooks(
    script, connect, transactional_db
):
    user = await User.objects.acreate(username="ada")
    socket = await connect("ada", user=user)
    with receiving(asking) as heard:
        request = await socket.ask("One")
        (await script.anext_reply()).finish()
        await socket.rest(request)
        await socket.regenerate(attempt="a1")
        await script.anext_reply()
    (sender, first), (_, second) = heard
    assert issubclass(sender, Assistant)
    assert (first["text"], first["kind"], first["conversation"]) == ("One", "question", "c1")
    assert await sync_to_async(lambda: first["assistant"].user)() == user
    assert first["thread"].startswith("chat-tools")
    assert (second["text"], second["kind"]) == ("", "another")


async def test_a_repeated_question_is_not_asked_about_again(script, connect):
    socket, other = await connect(), await connect()
    with receiving(asking) as heard:
        request = await socket.ask("Once")
        await script.anext_reply()
        await socket.chunk(request, "start")
        again = await other.ask("Once")
        await other.chunk(again, "start")
    assert len(heard) == 1
    assert script.waiting == 0


async def test_a_receiver_that_fails_objects_to_nothing_and_is_logged(script, connect, caplog):
    def fail(**_):
        raise ValueError("a bug of the site")

    socket = await connect()
    with receiving(asking, fail):
        await socket.ask("One")
        await script.anext_reply()
    assert "a bug of the site" in caplog.text


async def test_receivers_that_take_too_long_object_to_nothing(script, connect, caplog, monkeypatch):
    monkeypatch.setattr("chat.engine.announcing.ADMISSION_WAIT", 0.05)
    may_end = threading.Event()
    socket = await connect()
    with receiving(asking, lambda **_: may_end.wait(10)):
        await socket.ask("One")
        await script.anext_reply()
        may_end.set()
    assert "The receivers of asking took more than 0.05 s" in caplog.text


async def test_an_asynchronous_receiver_can_refuse(connect):
    async def refuse(text, **_):
        raise ChatRefused("Not today.")

    socket = await connect()
    asking.connect(refuse)
    try:
        frame = await socket.frame(await socket.ask("One"))
    finally:
        asking.disconnect(refuse)
    assert frame["errorText"] == "Not today."


async def test_the_form_shows_the_sentence_and_keeps_the_text(served, script):
    client = AsyncClient(headers={"accept": "text/html"})
    with receiving(asking, refuse):
        response = await client.post("/chat/c1/", {"id": "m1", "text": "My secret"})
    page = response.content.decode()
    assert response.status_code == ERRORS["declined"].status
    assert "Keep your secrets." in page
    assert "My secret" in page


@pytest.mark.parametrize("ending", ["complete", "stopped"])
async def test_the_end_of_an_answer_is_sent_when_it_is_stored(script, connect, ending):
    socket = await connect()
    with receiving(answered) as heard:
        request = await socket.ask("One")
        reply = await script.anext_reply()
        reply.say("Uno")
        await socket.chunk(request, "text-delta")
        if ending == "stopped":
            await socket.abort(request)
        else:
            reply.finish()
        await eventually(lambda: heard)
    (sender, given), *others = heard
    message = given["message"]
    assert issubclass(sender, Assistant)
    assert (message.status, message.text, message.parent.text, others) == (ending, "Uno", "One", [])
    assert given["thread"].startswith("chat-tools")


async def test_an_answer_that_a_process_ends_for_another_is_sent_too(served, script, connect):
    socket = await connect()
    await socket.ask("One")
    await script.anext_reply()
    message = await Message.objects.select_related("conversation").aget(role="assistant")
    await Message.objects.filter(pk=message.pk).aupdate(status="interrupted")
    with receiving(answered) as heard:
        served._publish_end(message)
        await eventually(lambda: heard)
    assert heard[0][1]["message"] == message


class Shop(Assistant):
    name = "default"

    @tool
    def orders(self):
        """Orders."""
        return ["B7"]

    @tool(confirm=True)
    def cancel(self):
        """Cancel the order."""
        return "cancelled"


async def test_a_call_is_sent_with_its_result_and_a_waiting_answer_is_not(script, connect):
    with registry.replaced(Shop), receiving(tool_called) as calls, receiving(answered) as ends:
        socket = await connect()
        request = await socket.ask("Cancel my order")
        reply = await script.anext_reply()
        reply.call("orders")
        reply.finish("tool-calls")
        reply = await script.anext_reply()
        reply.call("cancel")
        reply.finish("tool-calls")
        chunks = await socket.chunks(request)
        question = next(chunk for chunk in chunks if chunk["type"] == "tool-approval-request")
        await eventually(lambda: calls)
        assert [(given["call"].name, given["call"].output, given["call"].state) for _, given in calls] == [
            ("orders", ["B7"], "done")
        ]
        assert ends == []
        await socket.decide(question["toolCallId"])
        reply = await script.anext_reply()
        reply.finish()
        await eventually(lambda: len(calls) == 2 and ends)
    assert calls[1][0] is Shop
    assert ends[0][1]["message"].status == "complete"


async def test_a_rating_is_sent(script, connect):
    socket = await connect()
    request = await socket.ask("One")
    (await script.anext_reply()).finish()
    start = (await socket.chunks(request))[0]
    with receiving(rated) as heard:
        frame = {"type": "rate", "requestId": "r", "id": "c1", "messageId": start["messageId"], "headers": {}}
        await socket.send({**frame, "value": -1, "comment": "Wrong"})
        await eventually(lambda: heard)
    _, given = heard[0]
    assert (given["message"].uid, given["value"], given["comment"]) == (start["messageId"], -1, "Wrong")


async def test_a_receiver_that_fails_after_an_answer_changes_nothing(script, connect, caplog):
    def fail(**_):
        raise ValueError("a bug of the site")

    socket = await connect()
    with receiving(answered, fail) as heard:
        request = await socket.ask("One")
        (await script.anext_reply()).finish()
        assert (await socket.chunks(request))[-1]["type"] == "finish"
        await eventually(lambda: heard and "a bug of the site" in caplog.text)
        second = await socket.ask("Two", message="m2")
        (await script.anext_reply()).finish()
        await socket.chunks(second)
