"""What a site's receivers hear, and what they can refuse."""

import threading
from contextlib import contextmanager
from datetime import datetime

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.test import AsyncClient

from chat import ChatRefused
from chat.assistants import Assistant, tool
from chat.assistants.discovery import registry
from chat.engine import stopping
from chat.engine.stopping import stop_undecided
from chat.errors import ERRORS
from chat.models import Message
from chat.signals import answered, asking, limit_reached, rated, tool_called
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


async def test_a_receiver_refuses_a_question_with_its_own_sentence_before_anything_is_stored(script, connect, caplog):
    socket = await connect()
    with receiving(asking, refuse):
        frame = await socket.frame(await socket.ask("My secret"))
        assert (frame["type"], frame["code"], frame["errorText"]) == ("error", "declined", "Keep your secrets.")
        assert await stored() == []
        await socket.ask("My bicycle", message="m2")
        assert (await script.anext_reply()).request.messages[-1]["content"] == "My bicycle"
    assert script.waiting == 0
    assert "Error calling" not in caplog.text  # a refusal is no error, of which a site's administrators get mails


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


async def test_an_asynchronous_receiver_can_refuse(connect, caplog):
    async def refuse(text, **_):
        raise ChatRefused("Not today.")

    socket = await connect()
    asking.connect(refuse)
    try:
        frame = await socket.frame(await socket.ask("One"))
    finally:
        asking.disconnect(refuse)
    assert frame["errorText"] == "Not today."
    assert "Error calling" not in caplog.text


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


async def asked_to_cancel(script, connect):
    """Ask for something that the visitor has to allow, until the answer waits; return the socket."""
    socket = await connect("ann")
    request = await socket.ask("Cancel my order")
    reply = await script.anext_reply()
    reply.call("cancel")
    reply.finish("tool-calls")
    await socket.rest(request)
    return socket


@pytest.mark.parametrize("way", ["by going on", "in the admin", "in the admin of a WSGI process"])
async def test_a_waiting_answer_that_is_stopped_is_sent(script, connect, served, way, monkeypatch):
    with registry.replaced(Shop), receiving(answered) as ends:
        socket = await asked_to_cancel(script, connect)
        waiting = await Message.objects.select_related("conversation").aget(status="waiting")
        if way == "by going on":
            await socket.ask("Never mind", message="m2")
        else:
            if "WSGI" in way:
                monkeypatch.setattr(stopping, "engines", list)
            assert await sync_to_async(stop_undecided)(waiting.conversation, "user:1", waiting.pk)
            assert not await sync_to_async(stop_undecided)(waiting.conversation, "user:1", waiting.pk)
        await eventually(lambda: ends)
    ((_, given),) = ends
    assert (given["message"].pk, given["message"].status) == (waiting.pk, "stopped")


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


def limited(settings, **limits):
    prices = {"currency": "EUR", "models": {"scripted": {"input": "1", "output": "2"}}}
    settings.CHAT = {**settings.CHAT, "LIMITS": limits, "PRICES": prices}


def reached(given):
    """Return what a receiver of ``limit_reached`` hears about the limit."""
    return given["who"], given["measure"], given["limit"]


USED = {"prompt_tokens": 900, "completion_tokens": 100}


async def answer_once(script, socket):
    request = await socket.ask("One")
    (await script.anext_reply()).finish(usage=USED)
    await socket.chunks(request)


async def test_a_refused_message_is_sent_with_the_limit_and_without_its_text(script, connect, settings):
    limited(settings, user={"answers": "9/minute 1/day"})
    ada = await User.objects.acreate(username="ada")
    socket = await connect(user=ada)
    with receiving(limit_reached) as heard:
        await answer_once(script, socket)
        assert heard == []
        (frame,) = await socket.rest(await socket.ask("My secret", message="m2", chat="c2"))
        assert frame["code"] == "limit"
        await eventually(lambda: heard)
    ((sender, given),) = heard
    assert issubclass(sender, Assistant)
    assert reached(given) == ("user", "answers", "1/day")
    assert given["retry_at"] == datetime.fromisoformat(frame["retryAt"])
    assert (given["conversation"], given["message_id"]) == ("c2", None)
    assert await sync_to_async(lambda: given["assistant"].user)() == ada
    assert given["thread"].startswith("chat-tools")
    assert "My secret" not in str(given)


async def test_a_refused_message_that_is_sent_again_is_sent_again_and_a_repeat_of_an_answered_one_is_not(
    script, connect, settings
):
    limited(settings, site={"answers": "1/hour"})
    socket = await connect()
    with receiving(limit_reached) as heard:
        await answer_once(script, socket)
        await socket.chunks(await socket.ask("One"))
        for _ in range(2):
            assert await socket.error(await socket.ask("Two", message="m2")) == "limit"
        await eventually(lambda: len(heard) == 2)
    assert {reached(given) for _, given in heard} == {("site", "answers", "1/hour")}


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"anonymous": {"cost": "0.0015/day"}}, ("anonymous", "cost", "0.0015/day")),
        ({"address": {"tokens": "1_500/hour"}}, ("address", "tokens", "1500/hour")),
    ],
)
async def test_whose_limit_it_is_and_what_it_counts_are_named(script, connect, settings, limits, expected):
    limited(settings, **limits)
    settings.CHAT["TRUSTED_PROXIES"] = 1
    socket = await connect(forwarded="8.8.8.8")
    with receiving(limit_reached) as heard:
        await answer_once(script, socket)
        assert await socket.error(await socket.ask("Two", message="m2")) == "limit"
        await eventually(lambda: heard)
    assert reached(heard[0][1]) == expected
    assert "8.8.8.8" not in str(heard)


async def test_the_limit_of_an_assistant_is_sent_to_the_receivers_of_its_class_alone(script, connect):
    class Careful(Assistant):
        name = "default"

        def limits(self):
            return {"answers": "1/month"}

    mine, another = receiving(limit_reached, sender=Careful), receiving(limit_reached, sender=Shop)
    with registry.replaced(Careful), mine as heard, another as others:
        socket = await connect()
        await answer_once(script, socket)
        assert await socket.error(await socket.ask("Two", message="m2")) == "limit"
        await eventually(lambda: heard)
    assert reached(heard[0][1]) == ("assistant", "answers", "1/month")
    assert others == []


@pytest.mark.parametrize("decides", [False, True])
async def test_an_answer_that_is_cut_for_a_limit_is_sent_when_it_is_stored(script, connect, settings, decides):
    limited(settings, anonymous={"tokens": "1_500/day"})

    @sync_to_async
    def status():
        return Message.objects.get(role="assistant").status

    found = []
    with (
        registry.replaced(Shop),
        receiving(limit_reached, lambda **_: found.append(Message.objects.last().status)) as heard,
    ):
        socket = await connect()
        request = await socket.ask("Where is it?")
        reply = await script.anext_reply()
        reply.call("cancel" if decides else "orders")
        reply.finish("tool-calls", usage=USED)
        chunks = await socket.chunks(request)
        if decides:
            assert (heard, await status()) == ([], "waiting")
            question = next(chunk for chunk in chunks if chunk["type"] == "tool-approval-request")
            await socket.chunks(await socket.decide(question["toolCallId"]))
        await eventually(lambda: found)
    ((sender, given),) = heard
    assert sender is Shop
    assert reached(given) == ("anonymous", "tokens", "1500/day")
    answer = await Message.objects.aget(role="assistant")
    assert (given["conversation"], given["message_id"]) == ("c1", answer.pk)
    assert (found, answer.status) == (["cut"], "cut")


async def test_an_answer_of_one_step_that_uses_up_a_limit_sends_nothing(script, connect, settings, served):
    limited(settings, anonymous={"tokens": "1_500/day"})
    with receiving(limit_reached) as heard, receiving(answered) as ends:
        socket = await connect()
        await answer_once(script, socket)
        await eventually(lambda: ends)
    assert heard == []


async def test_a_receiver_of_limit_reached_that_fails_changes_no_refusal_and_is_logged(
    script, connect, settings, caplog
):
    def fail(**_):
        raise ValueError("a bug of the site")

    limited(settings, anonymous={"answers": "1/day"})
    with receiving(limit_reached, fail):
        socket = await connect()
        await answer_once(script, socket)
        assert await socket.error(await socket.ask("Two", message="m2")) == "limit"
        await eventually(lambda: "a bug of the site" in caplog.text)
