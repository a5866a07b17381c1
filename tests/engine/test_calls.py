"""An answer of several steps: the model, its calls, their results, the model again."""

import asyncio
import json
import threading
from types import SimpleNamespace

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Permission, User

from chat.assistants import Assistant, Progress, ToolError, tool
from chat.assistants.calling import FAILED
from chat.assistants.discovery import registry
from chat.db.calls import UNKNOWN
from chat.db.replay import replay
from chat.engine.calls import MAX_CALLS, NO_TOOL, TOO_MANY
from chat.models import Conversation, Message, ToolCall
from tests.conftest import chat_settings
from tests.support.sockets import text_of
from tests.support.upstream import eventually

RUNS = SimpleNamespace(count=0, may_end=None, began=None)


class Default(Assistant):
    instructions = "You help customers."

    @tool
    def orders(self, status: str = "open"):
        """The customer's orders."""
        RUNS.count += 1
        return [{"number": "B7", "status": status}]

    @tool
    def fail(self):
        """Fails."""
        raise ToolError("No such order.")

    @tool
    def crash(self):
        """Crashes."""
        raise ValueError("canary-7f3a")

    @tool
    async def slow(self):
        """Where a parcel is."""
        RUNS.count += 1
        yield Progress("Asking the carrier")
        RUNS.began.set()
        await RUNS.may_end.wait()
        yield {"place": "Lyon"}

    @tool
    def hang(self):
        """Blocks its thread."""
        RUNS.count += 1
        RUNS.began.set()
        RUNS.may_end.wait(10)
        return "late"


@pytest.fixture(autouse=True)
def assistant():
    RUNS.count, RUNS.may_end, RUNS.began = 0, asyncio.Event(), asyncio.Event()
    with registry.replaced(Default):
        yield Default


async def calls():
    return [call async for call in ToolCall.objects.order_by("pk")]


async def answer():
    return await sync_to_async(Message.objects.filter(role="assistant").order_by("-pk").first)()


async def test_a_model_gets_the_result_of_its_call_and_answers(connect, script):
    socket = await connect()
    request = await socket.ask("Where is my order?")
    first = await script.anext_reply()
    assert [found.name for found in first.request.tools] == ["orders", "fail", "crash", "slow", "hang"]
    first.say("Let me see. ")
    first.call("orders", status="sent")
    first.finish("tool-calls", {"total_tokens": 10})
    second = await script.anext_reply()
    (call,) = await calls()
    asked, result = second.request.messages[-2:]
    assert (asked["role"], asked["content"]) == ("assistant", "Let me see. ")
    (named,) = asked["tool_calls"]
    assert (named["type"], named["function"]["name"]) == ("function", "orders")
    assert json.loads(named["function"]["arguments"]) == {"status": "sent"}
    assert result["tool_call_id"] == named["id"]
    assert json.loads(result["content"]) == [{"number": "B7", "status": "sent"}]
    second.say("It is on its way.")
    second.finish(usage={"total_tokens": 5})
    chunks = await socket.chunks(request)
    assert [chunk["type"] for chunk in chunks] == [
        *("start", "start-step", "text-start", "text-delta", "text-end"),
        *("tool-input-available", "tool-output-available", "finish-step"),
        *("start-step", "text-start", "text-delta", "text-end", "finish-step", "finish"),
    ]
    assert chunks[5] == {
        "type": "tool-input-available",
        "toolCallId": call.uid,
        "toolName": "orders",
        "input": {"status": "sent"},
    }
    assert chunks[6]["output"] == [{"number": "B7", "status": "sent"}]
    assert chunks[9]["id"] == "2"
    stored = await answer()
    assert (stored.status, stored.text, stored.usage) == (
        "complete",
        "Let me see. \n\nIt is on its way.",
        {"total_tokens": 15},
    )
    assert [part["type"] for part in stored.parts] == ["text", "tool", "text"]
    assert (call.state, call.step, call.name, call.ended_at is None) == ("done", 0, "orders", False)


async def test_the_stored_answer_is_replayed_as_it_was_streamed(connect, script):
    socket = await connect()
    request = await socket.ask("Why?")
    first = await script.anext_reply()
    first.think("Hm.")
    first.call("orders")
    first.call("fail")
    first.finish("tool-calls")
    second = await script.anext_reply()
    second.call("crash")
    second.finish("tool-calls")
    third = await script.anext_reply()
    third.say("So.")
    third.finish()
    streamed = await socket.chunks(request)
    again = await socket.resume()
    resumed = await socket.chunks(again)
    assert resumed == streamed
    kinds = [type(chunk).__struct_config__.tag for chunk in replay(await answer())]
    assert sorted(kinds) == sorted(chunk["type"] for chunk in streamed)  # results come in the order of their arrival


async def test_a_later_turn_reads_what_was_called(connect, script):
    socket = await connect()
    request = await socket.ask("Why?")
    first = await script.anext_reply()
    first.say("Look: ")
    first.call("orders")
    first.finish("tool-calls")
    (await script.anext_reply()).finish()
    await socket.chunks(request)
    await socket.ask("And now?", message="m2")
    later = await script.anext_reply()
    assert [message["role"] for message in later.request.messages] == ["system", "user", "assistant", "tool", "user"]
    assert later.request.messages[2]["content"] == "Look: "
    assert json.loads(later.request.messages[3]["content"]) == [{"number": "B7", "status": "open"}]
    later.finish()


async def test_the_calls_of_a_step_run_at_once(connect, script):
    socket = await connect()
    request = await socket.ask("Why?")
    first = await script.anext_reply()
    first.call("slow")
    first.call("slow")
    first.finish("tool-calls")
    await eventually(lambda: RUNS.count == 2)
    RUNS.may_end.set()
    (await script.anext_reply()).finish()
    outputs = [chunk for chunk in await socket.chunks(request) if chunk["type"] == "tool-output-available"]
    assert [chunk["output"] for chunk in outputs].count({"place": "Lyon"}) == 2
    progress = [chunk for chunk in outputs if chunk.get("preliminary")]
    assert [chunk["output"] for chunk in progress] == [{"progress": "Asking the carrier"}] * 2


async def test_the_row_of_a_call_is_there_before_its_tool_runs(connect, script):
    socket = await connect()
    await socket.ask("Why?")
    first = await script.anext_reply()
    first.say("Look.")
    first.call("slow")
    first.finish("tool-calls")
    await RUNS.began.wait()
    (call,) = await calls()
    stored = await answer()
    assert (call.state, stored.text, [part["type"] for part in stored.parts]) == ("running", "Look.", ["text", "tool"])
    RUNS.may_end.set()
    (await script.anext_reply()).finish()


@pytest.mark.parametrize(
    ("name", "said"), [("fail", "No such order."), ("crash", FAILED), ("missing", NO_TOOL), ("orders", "do not fit")]
)
async def test_a_call_that_fails_says_why(connect, script, name, said):
    socket = await connect()
    request = await socket.ask("Why?")
    first = await script.anext_reply()
    first.call(name, **({"state": 7} if name == "orders" else {}))
    first.finish("tool-calls")
    second = await script.anext_reply()
    assert said in second.request.messages[-1]["content"]
    second.say("Sorry.")
    second.finish()
    chunks = await socket.chunks(request)
    (failed,) = [chunk for chunk in chunks if chunk["type"] == "tool-output-error"]
    assert said in failed["errorText"]
    assert "canary" not in json.dumps([chunks, second.request.messages])
    (call,) = await calls()
    assert call.state == "failed"


async def test_a_model_that_never_finds_its_tools_fails(connect, script):
    socket = await connect()
    request = await socket.ask("Why?")
    for _ in range(3):
        reply = await script.anext_reply()
        reply.call("missing")
        reply.finish("tool-calls")
    frames = await socket.rest(request)
    assert frames[-2]["code"] == "tools"
    assert script.waiting == 0
    stored = await answer()
    assert (stored.status, stored.error) == ("failed", "tools")


async def test_only_so_many_calls_of_a_step_are_carried_out(connect, script):
    socket = await connect()
    await socket.ask("Why?")
    reply = await script.anext_reply()
    for _ in range(200):
        reply.call("orders")
    reply.finish("tool-calls")
    second = await script.anext_reply()
    results = [message["content"] for message in second.request.messages if message["role"] == "tool"]
    assert (len(results), results.count(TOO_MANY), RUNS.count) == (200, 200 - MAX_CALLS, MAX_CALLS)
    second.finish()


async def test_an_answer_is_cut_after_its_last_step(connect, script, monkeypatch):
    monkeypatch.setattr(Default, "max_steps", 2)
    socket = await connect()
    request = await socket.ask("Why?")
    for _ in range(2):
        reply = await script.anext_reply()
        reply.call("orders")
        reply.finish("tool-calls")
    assert (await socket.chunks(request))[-1] == {"type": "finish", "finishReason": "length"}
    assert (await answer()).status == "cut"
    assert RUNS.count == 2


async def test_a_reply_that_was_cut_runs_no_call(connect, script):
    socket = await connect()
    request = await socket.ask("Why?")
    reply = await script.anext_reply()
    reply.call("orders")
    reply.finish("length")
    await socket.rest(request)
    assert (RUNS.count, (await answer()).status, await calls()) == (0, "cut", [])


async def test_a_reply_that_breaks_off_runs_no_call(connect, script):
    socket = await connect()
    request = await socket.ask("Why?")
    reply = await script.anext_reply()
    reply.call("orders")
    reply.break_off()
    await socket.rest(request)
    assert (RUNS.count, (await answer()).status, await calls()) == (0, "interrupted", [])


async def test_a_reason_of_tools_without_a_call_is_a_failure(connect, script):
    socket = await connect()
    request = await socket.ask("Why?")
    (await script.anext_reply()).finish("tool-calls")
    assert (await socket.rest(request))[-2]["code"] == "upstream"


@pytest.mark.parametrize("name", ["slow", "hang"])
async def test_stop_leaves_a_call_as_one_whose_effect_is_not_known(connect, script, name):
    if name == "hang":
        RUNS.may_end, RUNS.began = threading.Event(), threading.Event()
    socket = await connect()
    request = await socket.ask("Why?")
    reply = await script.anext_reply()
    reply.say("Look.")
    reply.call(name)
    reply.finish("tool-calls")
    await eventually(RUNS.began.is_set)
    await socket.abort(request)
    chunks = await socket.chunks(request)
    assert [chunk["type"] for chunk in chunks[-2:]] == ["tool-output-error", "abort"]
    assert chunks[-2]["errorText"] == UNKNOWN
    (call,) = await calls()
    assert (call.state, call.error, (await answer()).status) == ("unknown", UNKNOWN, "stopped")
    RUNS.may_end.set()
    await asyncio.sleep(0)
    (call,) = await calls()
    assert (call.state, call.output) == ("unknown", None)
    await socket.ask("What have you done?", message="m2")
    later = await script.anext_reply()
    assert [message["content"] for message in later.request.messages if message["role"] == "tool"] == [UNKNOWN]
    later.finish()


async def test_an_answer_that_another_process_has_taken_over_runs_no_tool(connect, script):
    socket = await connect()
    await socket.ask("Why?")
    reply = await script.anext_reply()
    await Message.objects.filter(role="assistant").aupdate(status="interrupted", process=None)
    reply.call("orders")
    reply.finish("tool-calls")
    await eventually(reply.closed.is_set)
    from chat.engine.engine import engine

    await eventually(lambda: not engine().runs)
    assert (RUNS.count, await calls()) == (0, [])


async def test_a_model_is_not_called_again_for_an_answer_that_was_taken_over_while_a_tool_ran(connect, script):
    socket = await connect()
    request = await socket.ask("Why?")
    reply = await script.anext_reply()
    reply.call("slow")
    reply.finish("tool-calls")
    await RUNS.began.wait()
    await ToolCall.objects.aupdate(state="unknown", error=UNKNOWN)
    RUNS.may_end.set()
    from chat.engine.engine import engine

    await eventually(lambda: not engine().runs)
    assert script.waiting == 0
    assert "Lyon" not in json.dumps(await socket.rest(request)), "a result is shown when it is stored"
    (call,) = await calls()
    assert (call.state, call.output) == ("unknown", None)


async def test_a_continued_answer_keeps_its_calls_and_does_not_run_them_again(connect, script):
    socket = await connect()
    request = await socket.ask("Why?")
    first = await script.anext_reply()
    first.call("orders")
    first.finish("tool-calls")
    second = await script.anext_reply()
    second.say("It is")
    second.break_off()
    await socket.rest(request)
    old = await answer()
    request = await socket.regenerate(old.uid, attempt="a1", body={"continue": True})
    third = await script.anext_reply()
    roles = [message["role"] for message in third.request.messages]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "user"]
    third.call("orders", status="sent")
    third.finish("tool-calls")
    fourth = await script.anext_reply()
    fourth.say("here.")
    fourth.finish()
    chunks = await socket.chunks(request)
    assert [chunk["type"] for chunk in chunks].count("tool-output-available") == 2
    stored = await answer()
    assert stored.pk != old.pk
    assert [part["type"] for part in stored.parts] == ["tool", "text", "tool", "text"]
    first_call, second_call = await calls()
    assert [part.get("call") for part in stored.parts] == [first_call.uid, None, second_call.uid, None]
    assert (RUNS.count, first_call.message_id, second_call.message_id) == (2, old.pk, stored.pk)
    kinds = [type(chunk).__struct_config__.tag for chunk in replay(stored)]
    assert kinds == [chunk["type"] for chunk in chunks]


class Looking(Assistant):
    name = "default"

    @tool(idempotent=True)
    async def look(self, number: str):
        """Look something up."""
        RUNS.count += 1
        RUNS.began.set()
        await RUNS.may_end.wait()
        return f"seen {number}"

    @tool
    async def carry(self, number: str):
        """Carry something."""
        RUNS.carried += 1
        await RUNS.may_end.wait()


async def test_a_continued_answer_repeats_only_what_may_run_twice(connect, script):
    RUNS.carried = 0
    with registry.replaced(Looking):
        socket = await connect()
        request = await socket.ask("Why?")
        reply = await script.anext_reply()
        reply.say("Let me see.")
        reply.call("carry", number="B7")
        reply.call("look", number="B7")
        reply.finish("tool-calls")
        await RUNS.began.wait()
        await socket.abort(request)
        await socket.rest(request)
        RUNS.may_end.set()
        old = await answer()
        request = await socket.regenerate(old.uid, attempt="a1", body={"continue": True})
        reply = await script.anext_reply()
        told = [message["content"] for message in reply.request.messages if message["role"] == "tool"]
        assert told == [UNKNOWN, UNKNOWN, "seen B7"]
        reply.say("Here.")
        reply.finish()
        await socket.chunks(request)
    assert [(call.name, call.state) for call in await calls()] == [
        *(("carry", "unknown"), ("look", "unknown"), ("look", "done")),
    ]
    assert (RUNS.count, RUNS.carried) == (2, 1)
    stored = await answer()
    assert [part["type"] for part in stored.parts] == ["text", "tool", "tool", "tool", "text"]


async def test_ids_that_a_model_repeats_are_told_apart(connect, script):
    socket = await connect()
    await socket.ask("Why?")
    reply = await script.anext_reply()
    reply.call_with("orders", "{}", id="call_0", signature="abc")
    reply.call_with("orders", "{}", id="call_0")
    reply.finish("tool-calls")
    second = await script.anext_reply()
    asked, *results = second.request.messages[-3:]
    ids = [call["id"] for call in asked["tool_calls"]]
    assert len(set(ids)) == 2
    assert [result["tool_call_id"] for result in results] == ids
    assert asked["tool_calls"][0]["signature"] == "abc"
    second.finish()


async def test_a_model_gets_its_own_id_back(connect, script):
    socket = await connect()
    await socket.ask("Why?")
    reply = await script.anext_reply()
    reply.call_with("orders", "{}", id="call_0")
    reply.finish("stop")  # some endpoints say so with calls, too
    second = await script.anext_reply()
    assert second.request.messages[-1]["tool_call_id"] == "call_0"
    second.finish()


async def test_a_model_that_cannot_call_tools_gets_none(connect, script, settings):
    backend = {**settings.CHAT["BACKENDS"]["default"]}
    backend["OPTIONS"] = {**backend["OPTIONS"], "tools": False}
    settings.CHAT = chat_settings(BACKENDS={"default": backend})
    socket = await connect()
    request = await socket.ask("Why?")
    reply = await script.anext_reply()
    assert reply.request.tools == ()
    reply.call("orders")
    reply.finish("tool-calls")
    assert (await socket.rest(request))[-2]["code"] == "upstream"
    assert RUNS.count == 0


async def test_a_tool_is_hidden_from_visitors_without_its_permission(connect, script, monkeypatch):
    class Guarded(Assistant):
        name = "default"

        @tool(permission="auth.view_user")
        def secret(self):
            """A secret."""
            RUNS.count += 1

    with registry.replaced(Guarded):
        socket = await connect()
        await socket.ask("Why?")
        reply = await script.anext_reply()
        assert reply.request.tools == ()
        reply.finish()
        user = await User.objects.acreate(username="ann")
        await sync_to_async(user.user_permissions.add)(await Permission.objects.aget(codename="view_user"))
        from chat.assistants.permission import tools_for

        assert list(await tools_for(Guarded(user_id=user.pk))) == ["secret"]
        assert list(await tools_for(Guarded(user_id=0))) == []


async def test_the_page_is_shown_a_call_as_a_part_that_changes(connect, script):
    socket = await connect()
    request = await socket.ask("Why?", body={"view": "html"})
    reply = await script.anext_reply()
    reply.say("Look.")
    reply.call("slow")
    reply.finish("tool-calls")
    await RUNS.began.wait()
    RUNS.may_end.set()
    (await script.anext_reply()).finish()
    chunks = await socket.chunks(request)
    shown = [chunk["data"] for chunk in chunks if chunk["type"] == "data-part" and chunk["data"]["part"] == 1]
    assert 'data-call="done"' in shown[-1]["html"]
    assert "Lyon" in shown[-1]["html"]
    assert all('data-part="1"' in data["html"] for data in shown)
    conversation = await Conversation.objects.aget()
    assert conversation.running_id is None
    again = await socket.resume(body={"view": "html"})
    (whole,) = [chunk["data"] for chunk in await socket.chunks(again) if chunk["type"] == "data-message"][-1:]
    assert shown[-1]["html"] in whole["html"]


async def test_markup_in_a_result_is_shown_as_text(connect, script, monkeypatch):
    class Shop(Assistant):
        name = "default"

        @tool
        def evil(self, text: str):
            """Evil."""
            raise ToolError("<b>no</b>")

    with registry.replaced(Shop):
        socket = await connect()
        request = await socket.ask("Why?", body={"view": "html"})
        reply = await script.anext_reply()
        reply.call("evil", text="<script>alert(1)</script>")
        reply.finish("tool-calls")
        (await script.anext_reply()).finish()
        html = json.dumps(await socket.chunks(request))
    assert "<script>" not in html
    assert "<b>no" not in html
    assert "&lt;b&gt;no" in html


async def test_an_answer_without_tools_stays_one_step(connect, script):
    with registry.replaced():
        socket = await connect()
        request = await socket.ask("Why?")
        reply = await script.anext_reply()
        assert reply.request.tools == ()
        reply.say("So.")
        reply.finish()
        assert text_of(await socket.chunks(request)) == "So."
    stored = await answer()
    assert (stored.parts, stored.has_calls) == ([{"type": "text", "text": "So."}], False)
