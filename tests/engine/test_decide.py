"""Decisions: an answer that asks its visitor, waits, and goes on."""

import asyncio
import json
from datetime import timedelta
from types import SimpleNamespace

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Permission, User
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chat.assistants import Assistant, tool
from chat.assistants.calling import FAILED
from chat.assistants.discovery import registry
from chat.db.calls import DECLINED, LATE, UNKNOWN
from chat.db.replay import replay
from chat.engine import decide
from chat.engine.calls import NO_TOOL
from chat.engine.decide import go_on_ready
from chat.engine.run import Run
from chat.events import Event
from chat.models import Conversation, Message, Process, ToolCall
from tests.support.sockets import text_of
from tests.support.upstream import eventually

RUNS = SimpleNamespace(cancelled=[], may_end=None, began=None)


class Default(Assistant):
    @tool
    def orders(self, status: str = "open"):
        """The customer's orders."""
        return ["B7"]

    @tool(confirm=True)
    def cancel(self, number: str):
        """Cancels an order."""
        RUNS.cancelled.append(number)
        return "cancelled"

    @tool
    def pay(self, amount: int):
        """Pays."""
        return "paid"

    def confirm_pay(self, amount):
        if amount > 100:
            raise ValueError("canary-51")
        return f"Pay {amount}?" if amount > 10 else None

    @tool
    async def slow(self):
        """Takes its time."""
        RUNS.began.set()
        await RUNS.may_end.wait()
        return "done"


@pytest.fixture(autouse=True)
def assistant():
    RUNS.cancelled, RUNS.may_end, RUNS.began = [], asyncio.Event(), asyncio.Event()
    with registry.replaced(Default):
        yield Default


async def calls():
    return [call async for call in ToolCall.objects.order_by("pk")]


async def answer():
    return await sync_to_async(Message.objects.filter(role="assistant").order_by("-pk").first)()


async def waits(script, socket, *asked, say="", **more):
    """Ask; let the model call tools; return the chunks of the answer, which waits then."""
    request = await socket.ask("Cancel it", **more)
    reply = await script.anext_reply()
    if say:
        reply.say(say)
    for name, arguments in asked or [("cancel", {"number": "B7"})]:
        reply.call(name, **arguments)
    reply.finish("tool-calls", {"total_tokens": 10})
    return await socket.chunks(request)


async def test_an_answer_waits_for_the_decision_and_goes_on_in_the_same_message(connect, script):
    socket = await connect()
    chunks = await waits(script, socket, say="Let me see.")
    (call,) = await calls()
    assert [chunk["type"] for chunk in chunks] == [
        *("start", "start-step", "text-start", "text-delta", "text-end", "tool-input-available"),
        *("data-question", "tool-approval-request", "finish-step", "finish"),
    ]
    assert chunks[6] == {
        "type": "data-question",
        "data": {"call": call.uid, "question": "Do you allow this?"},
        "transient": True,
    }
    assert chunks[7] == {"type": "tool-approval-request", "approvalId": call.uid, "toolCallId": call.uid}
    assert chunks[-1]["finishReason"] == "tool-calls"
    waiting = await answer()
    conversation = await Conversation.objects.aget()
    assert (waiting.status, waiting.process_id, conversation.running_id) == ("waiting", None, None)
    assert (call.state, conversation.unread, RUNS.cancelled) == ("asked", True, [])

    decided = await socket.decide(call.uid)
    second = await script.anext_reply()
    assert RUNS.cancelled == ["B7"]
    asked, result = second.request.messages[-2:]
    assert (asked["content"], result["content"]) == ("Let me see.", "cancelled")
    assert asked["tool_calls"][0]["id"] == result["tool_call_id"]
    second.say("It is cancelled.")
    second.finish(usage={"total_tokens": 5})
    chunks = await socket.chunks(decided)
    assert [chunk["type"] for chunk in chunks] == [
        *("start", "data-run", "tool-output-available", "start-step"),
        *("text-start", "text-delta", "text-end", "finish-step", "finish"),
    ]
    assert chunks[0]["messageId"] == waiting.uid
    stored = await answer()
    assert (stored.pk, stored.status, stored.run, stored.text) == (
        waiting.pk,
        "complete",
        1,
        "Let me see.\n\nIt is cancelled.",
    )
    assert stored.usage == {"total_tokens": 15}
    (call,) = await calls()
    assert (call.state, call.output, call.decided_by) == ("done", "cancelled", "visitor:somebody")
    assert call.decided_at is not None


async def test_a_denial_is_told_to_the_model_with_its_reason(connect, script):
    socket = await connect()
    await waits(script, socket)
    (call,) = await calls()
    decided = await socket.decide(call.uid, approved=False, reason="Wrong \x00order.")
    second = await script.anext_reply()
    assert second.request.messages[-1]["content"] == f"{DECLINED} Wrong \ufffdorder."
    second.say("Then not.")
    second.finish()
    chunks = await socket.chunks(decided)
    assert [chunk["type"] for chunk in chunks][:4] == ["start", "data-run", "tool-output-denied", "start-step"]
    (call,) = await calls()
    assert (call.state, call.reason, RUNS.cancelled) == ("denied", "Wrong \ufffdorder.", [])


async def test_a_resume_of_a_waiting_answer_is_answered_however_long_ago(connect, script, served, settings):
    socket = await connect()
    live = await waits(script, socket, say="Let me see.")
    stored = await answer()
    served.streams.discard((stored.pk, 0))
    await Message.objects.filter(pk=stored.pk).aupdate(ended_at=timezone.now() - timedelta(days=30))
    resumed = await socket.chunks(await socket.resume())
    assert resumed == live


@pytest.mark.parametrize("from_database", [False, True])
async def test_a_resume_gets_all_runs_from_the_first_part_on(connect, script, served, from_database):
    socket = await connect()
    first = await waits(script, socket, say="Let me see.")
    (call,) = await calls()
    decided = await socket.decide(call.uid)
    reply = await script.anext_reply()
    reply.say("It is cancelled.")
    reply.finish()
    then = await socket.chunks(decided)
    if from_database:
        served.streams.discard(((await answer()).pk, 1))
    resumed = await socket.chunks(await socket.resume())
    wanted = [*first[:-1], *then[1:]]
    if from_database:  # the results come with their step
        wanted = [chunk for chunk in wanted if chunk["type"] != "data-run"]
        step, result = wanted.index({"type": "finish-step"}), wanted.index(then[2])
        wanted.insert(step, wanted.pop(result))
    assert resumed == wanted
    assert resumed == [json.loads(json.dumps(chunk)) for chunk in resumed]


async def test_the_last_sequence_counts_only_for_the_run_that_the_client_names(connect, script):
    socket = await connect()
    await waits(script, socket)
    (call,) = await calls()
    decided = await socket.decide(call.uid)
    reply = await script.anext_reply()
    reply.say("It is cancelled.")
    reply.finish()
    await socket.chunks(decided)
    uid = (await answer()).uid
    whole = await socket.rest(await socket.resume())
    assert len(await socket.rest(await socket.resume(body={"messageId": uid}, lastSequence=3))) == len(whole)
    begun = await socket.rest(await socket.resume(body={"messageId": uid, "run": 1}, lastSequence=3))
    assert [frame["sequence"] for frame in begun[1:-1]] == list(range(4, len(whole) - 2))


async def test_the_other_calls_of_the_step_run_before_the_question_is_shown(connect, script):
    socket = await connect()
    request = await socket.ask("Both")
    reply = await script.anext_reply()
    reply.call("cancel", number="B7")
    reply.call("slow")
    reply.finish("tool-calls")
    await RUNS.began.wait()
    assert (await socket.chunk(request, "tool-input-available"))["toolName"] == "cancel"
    (asked, _) = await calls()
    assert asked.state == "asked"
    assert await socket.error(await socket.decide(asked.uid)) == "busy"
    RUNS.may_end.set()
    kinds = [chunk["type"] for chunk in await socket.chunks(request)]
    assert kinds == [
        *("tool-input-available", "tool-output-available"),
        *("data-question", "tool-approval-request", "finish-step", "finish"),
    ]


async def test_two_questions_of_one_step_are_decided_one_by_one(connect, script):
    socket = await connect()
    await waits(script, socket, ("cancel", {"number": "A"}), ("cancel", {"number": "B"}))
    first, second = await calls()
    assert await socket.chunks(await socket.decide(second.uid, approved=False)) == []
    assert ((await answer()).status, script.waiting) == ("waiting", 0)
    request = await socket.decide(first.uid)
    reply = await script.anext_reply()
    assert [message["content"] for message in reply.request.messages[-2:]] == ["cancelled", DECLINED]
    reply.say("Done.")
    reply.finish()
    kinds = [chunk["type"] for chunk in await socket.chunks(request)]
    assert sorted(kinds[2:4]) == ["tool-output-available", "tool-output-denied"]
    assert RUNS.cancelled == ["A"]


async def test_a_run_that_goes_on_begins_with_what_the_answer_has(connect, script, monkeypatch):
    begun = []

    class Noted(Run):
        def __init__(self, *given):
            super().__init__(*given)
            begun.append([type(chunk).__name__ for chunk in self.stream.chunks])

    socket = await connect()
    await waits(script, socket, say="Let me see.")
    monkeypatch.setattr("chat.engine.start.Run", Noted)
    await socket.decide((await calls())[0].uid)
    await script.anext_reply()
    assert begun[0][:5] == ["Start", "StartStep", "TextStart", "TextDelta", "TextEnd"]
    assert "ToolInput" in begun[0]


async def test_the_same_decision_again_attaches_to_the_answer_and_the_opposite_is_a_conflict(connect, script):
    socket = await connect()
    await waits(script, socket)
    (call,) = await calls()
    first, again = await socket.decide(call.uid), await socket.decide(call.uid)
    reply = await script.anext_reply()
    assert await socket.error(await socket.decide(call.uid, approved=False)) == "conflict"
    reply.say("Done.")
    reply.finish()
    assert await socket.chunks(first) == await socket.chunks(again)
    assert RUNS.cancelled == ["B7"]
    late = await socket.chunks(await socket.decide(call.uid))
    assert text_of(late) == "Done."
    assert await socket.error(await socket.decide(call.uid, approved=False)) == "conflict"
    assert script.waiting == 0


async def test_a_decision_whose_stream_is_gone_gets_the_rest_from_the_database(connect, script, served):
    socket = await connect()
    await waits(script, socket, say="Let me see.")
    (call,) = await calls()
    request = await socket.decide(call.uid)
    reply = await script.anext_reply()
    reply.say("Done.")
    reply.finish()
    live = await socket.chunks(request)
    served.streams.discard(((await answer()).pk, 1))
    stored = await socket.chunks(await socket.decide(call.uid))
    kinds = [chunk["type"] for chunk in live if chunk["type"] != "data-run"]
    assert [chunk["type"] for chunk in stored] == kinds
    assert text_of(stored) == "Done."


async def test_a_hundred_double_decisions_are_one(connect, script):
    socket, other = await connect(), await connect()
    await waits(script, socket)
    (call,) = await calls()
    requests = [(tab, await tab.decide(call.uid)) for tab in (socket, other) for _ in range(8)]
    reply = await script.anext_reply()
    reply.say("Done.")
    reply.finish()
    assert {text_of(await tab.chunks(request)) for tab, request in requests} == {"Done."}
    assert (RUNS.cancelled, script.waiting) == (["B7"], 0)


async def test_a_decision_by_the_clients_own_message(connect, script):
    """``useChat`` sends the answer back, with its decisions in it."""
    socket = await connect()
    await waits(script, socket)
    (call,) = await calls()
    uid = (await answer()).uid
    part = {
        "type": "tool-cancel",
        "toolCallId": call.uid,
        "state": "approval-responded",
        "input": {"number": "forged"},
        "approval": {"id": call.uid, "approved": True, "reason": "Yes."},
    }
    message = {"id": uid, "role": "assistant", "parts": [{"type": "step-start"}, part]}
    send = {"trigger": "submit-message", "id": "c1", "messages": [message]}
    assert await socket.error(await socket.send(send)) == "conflict"
    assert await socket.error(await socket.send({**send, "messageId": "m1"})) == "conflict"
    request = await socket.send({**send, "messageId": uid})
    reply = await script.anext_reply()
    reply.say("Done.")
    reply.finish()
    assert [chunk["type"] for chunk in await socket.chunks(request)][:3] == [
        *("start", "data-run", "tool-output-available"),
    ]
    (call,) = await calls()
    assert (RUNS.cancelled, call.reason, call.input) == (["B7"], "Yes.", {"number": "B7"})


@pytest.mark.parametrize(
    "part",
    [
        {"state": "output-available", "output": "forged"},
        {"state": "approval-responded", "approval": {"id": "x"}},
        {"state": "approval-requested", "approval": {"id": "x", "approved": True}},
    ],
)
async def test_an_answer_that_a_client_sends_back_changes_nothing_else(connect, script, part):
    socket = await connect()
    await waits(script, socket)
    (call,) = await calls()
    uid = (await answer()).uid
    message = {"id": uid, "role": "assistant", "parts": [{"type": "tool-cancel", "toolCallId": call.uid, **part}]}
    send = {"trigger": "submit-message", "id": "c1", "messages": [message], "messageId": uid}
    assert await socket.error(await socket.send(send)) == "unsupported"
    (call,) = await calls()
    assert (call.state, call.output, RUNS.cancelled, script.waiting) == ("asked", None, [], 0)


async def test_another_visitor_cannot_decide_and_learns_nothing(connect, script):
    socket, other = await connect(), await connect("other")
    await waits(script, socket)
    (call,) = await calls()
    assert await other.error(await other.decide(call.uid)) == "gone"
    await other.ask("Mine", message="m9")
    await script.anext_reply()
    assert await other.error(await other.decide(call.uid)) == "not_found"
    (call,) = await calls()
    assert (call.state, RUNS.cancelled) == ("asked", [])


async def test_a_call_that_was_not_asked_about_cannot_be_decided(connect, script):
    socket = await connect()
    request = await socket.ask("Why?")
    reply = await script.anext_reply()
    reply.call("orders")
    reply.finish("tool-calls")
    reply = await script.anext_reply()
    reply.say("B7")
    reply.finish()
    await socket.chunks(request)
    (call,) = await calls()
    assert await socket.error(await socket.decide(call.uid)) == "conflict"
    assert await socket.error(await socket.decide("t-unknown")) == "not_found"
    (call,) = await calls()
    assert call.state == "done"


@pytest.mark.parametrize("going_on", ["ask", "regenerate", "edit"])
async def test_going_on_denies_what_is_asked(connect, script, going_on):
    socket = await connect()
    await waits(script, socket)
    if going_on == "ask":
        request = await socket.ask("Never mind", message="m2")
    elif going_on == "regenerate":
        request = await socket.regenerate(attempt="again")
    else:
        request = await socket.ask("Something else", message="m1", messageId="m1")
    reply = await script.anext_reply()
    stopped = await Message.objects.filter(role="assistant").order_by("pk").afirst()
    (call,) = await calls()
    assert (stopped.status, call.state, call.error) == ("stopped", "denied", DECLINED)
    history = reply.request.messages
    assert (DECLINED in [message["content"] for message in history]) == (going_on == "ask")
    reply.say("Fine.")
    reply.finish()
    await socket.chunks(request)
    assert await socket.error(await socket.decide(call.uid)) == "conflict"
    assert RUNS.cancelled == []


async def test_selecting_another_branch_changes_nothing_and_hides_the_question(connect, script):
    socket = await connect()
    request = await socket.ask("One", message="m1")
    reply = await script.anext_reply()
    reply.say("Uno")
    reply.finish()
    await socket.chunks(request)
    first = await answer()
    request = await socket.regenerate(attempt="again")
    reply = await script.anext_reply()
    reply.call("cancel", number="B7")
    reply.finish("tool-calls")
    await socket.chunks(request)
    second = await answer()
    (call,) = await calls()
    await socket.chunks(await socket.send({"type": "select", "id": "c1", "messageId": first.uid}))
    assert await socket.error(await socket.decide(call.uid)) == "conflict"
    assert ((await calls())[0].state, (await answer()).status) == ("asked", "waiting")
    await socket.chunks(await socket.send({"type": "select", "id": "c1", "messageId": second.uid}))
    await socket.decide(call.uid)
    await script.anext_reply()
    assert RUNS.cancelled == ["B7"]


async def test_a_deleted_conversation_takes_its_questions_along(connect, script):
    socket = await connect()
    await waits(script, socket)
    (call,) = await calls()
    await Conversation.objects.all().adelete()
    assert await socket.error(await socket.decide(call.uid)) == "gone"
    assert await calls() == []


async def test_a_question_expires_without_being_written(connect, script):
    socket = await connect()
    await waits(script, socket)
    (call,) = await calls()
    past = timezone.now() - timedelta(seconds=1)
    await ToolCall.objects.filter(pk=call.pk).aupdate(expires_at=past)
    (call,) = await calls()
    assert (call.state, call.is_expired) == ("asked", True)
    request = await socket.decide(call.uid)
    reply = await script.anext_reply()
    assert reply.request.messages[-1]["content"] == LATE
    reply.say("Too late.")
    reply.finish()
    assert "tool-output-denied" in [chunk["type"] for chunk in await socket.chunks(request)]
    (call,) = await calls()
    assert (call.state, RUNS.cancelled) == ("expired", [])


class Expiring(Assistant):
    name = "default"

    @tool(confirm=True, expires=timedelta(hours=1))
    def cancel(self, number: str):
        """Cancels an order."""


async def test_the_client_learns_until_when(connect, script):
    with registry.replaced(Expiring):
        chunks = await waits(script, await connect())
        (call,) = await calls()
    (question,) = (chunk["data"] for chunk in chunks if chunk["type"] == "data-question")
    assert question["expires"] == call.expires_at.timestamp()
    assert timedelta(minutes=59) < call.expires_at - timezone.now() < timedelta(minutes=61)


@pytest.mark.parametrize(("amount", "question"), [(5, ""), (50, "Pay 50?")])
async def test_a_method_decides_whether_and_what_to_ask(connect, script, amount, question):
    socket = await connect()
    request = await socket.ask("Pay")
    reply = await script.anext_reply()
    reply.call("pay", amount=amount)
    reply.finish("tool-calls")
    if not question:
        reply = await script.anext_reply()
        assert reply.request.messages[-1]["content"] == "paid"
        reply.finish()
    await socket.chunks(request)
    (call,) = await calls()
    assert (call.question, call.state) == (question, "asked" if question else "done")


async def test_a_method_that_fails_refuses_the_call(connect, script, caplog):
    socket = await connect()
    await socket.ask("Pay")
    reply = await script.anext_reply()
    reply.call("pay", amount=500)
    reply.finish("tool-calls")
    reply = await script.anext_reply()
    assert reply.request.messages[-1]["content"] == FAILED
    assert "canary-51" not in json.dumps(reply.request.messages)
    assert "canary-51" in caplog.text


class Translated(Assistant):
    name = "default"

    @tool
    async def cancel(self, number: str):
        """Cancels an order."""
        return self.language

    async def confirm_cancel(self, number):
        return _("Delete") if number == "B7" else True


@pytest.mark.parametrize(("number", "question"), [("B7", "Löschen"), ("B8", "Erlauben Sie das?")])
async def test_a_question_is_asked_in_the_language_of_the_page_and_a_decision_keeps_it(
    connect, script, number, question
):
    with registry.replaced(Translated):
        socket = await connect()
        await waits(script, socket, ("cancel", {"number": number}), body={"language": "de"})
        (call,) = await calls()
        assert (call.question, call.language) == (question, "de")
        await socket.decide(call.uid, body={"language": "fr"})
        reply = await script.anext_reply()
        assert reply.request.messages[-1]["content"] == "de"


class Guarded(Assistant):
    name = "default"

    @tool(confirm=True, permission="auth.delete_user")
    def cancel(self, number: str):
        """Cancels an order."""
        RUNS.cancelled.append(number)


async def test_a_permission_that_was_lost_refuses_the_decision_and_the_call_stays(connect, served, script):
    user = await User.objects.acreate_user("ann")
    permission = await Permission.objects.aget(codename="delete_user")
    await user.user_permissions.aadd(permission)
    with registry.replaced(Guarded):
        socket = await connect(user=user)
        await waits(script, socket)
        (call,) = await calls()
        await user.user_permissions.aremove(permission)
        for approved in (True, False):
            assert await socket.error(await socket.decide(call.uid, approved)) == "forbidden"
        assert ((await calls())[0].state, (await answer()).status) == ("asked", "waiting")
        await user.user_permissions.aadd(permission)
        await socket.decide(call.uid)
        await script.anext_reply()
    assert RUNS.cancelled == ["B7"]


class Renamed(Assistant):
    name = "default"

    @tool
    def cancel_order(self, number: str):
        """Cancels an order."""
        RUNS.cancelled.append(number)


class Retyped(Assistant):
    name = "default"

    @tool(confirm=True)
    def cancel(self, number: int):
        """Cancels an order."""
        RUNS.cancelled.append(number)


@pytest.mark.parametrize(("deployed", "said"), [(Renamed, NO_TOOL), (Retyped, "The arguments do not fit")])
async def test_a_tool_that_a_deploy_has_changed_ends_as_failed(connect, script, deployed, said):
    socket = await connect()
    await waits(script, socket)
    (call,) = await calls()
    with registry.replaced(deployed):
        request = await socket.decide(call.uid)
        reply = await script.anext_reply()
        assert reply.request.messages[-1]["content"].startswith(said)
        reply.say("Sorry.")
        reply.finish()
        kinds = [chunk["type"] for chunk in await socket.chunks(request)]
    assert kinds[2] == "tool-output-error"
    assert ((await calls())[0].state, RUNS.cancelled) == ("failed", [])


async def test_a_failure_after_a_decision_keeps_what_was_carried_out(connect, script):
    socket = await connect()
    await waits(script, socket)
    (call,) = await calls()
    request = await socket.decide(call.uid)
    (await script.anext_reply()).fail("upstream")
    kinds = [chunk["type"] for chunk in await socket.chunks(request)]
    assert kinds == ["start", "data-run", "tool-output-available", "start-step", "error"]
    assert ((await answer()).status, (await calls())[0].state) == ("failed", "done")


async def test_a_stop_while_an_approved_tool_runs_makes_it_unknown(connect, script, assistant):
    class Slow(Default):
        name = "default"

        @tool(confirm=True)
        async def slow(self):
            """Takes its time."""
            RUNS.began.set()
            await RUNS.may_end.wait()

    with registry.replaced(Slow):
        socket = await connect()
        await waits(script, socket, ("slow", {}))
        (call,) = await calls()
        request = await socket.decide(call.uid)
        await RUNS.began.wait()
        assert ((await calls())[0].state, (await answer()).status) == ("running", "running")
        await socket.abort(request)
        chunks = await socket.chunks(request)
        assert chunks[-1] == {"type": "abort"}
    assert ((await calls())[0].state, (await calls())[0].error) == ("unknown", UNKNOWN)
    assert (await answer()).status == "stopped"


async def test_a_stop_while_the_other_calls_run_declines_what_is_asked(connect, script):
    socket = await connect()
    request = await socket.ask("Both")
    reply = await script.anext_reply()
    reply.call("cancel", number="B7")
    reply.call("slow")
    reply.finish("tool-calls")
    await RUNS.began.wait()
    await socket.abort(request)
    chunks = await socket.chunks(request)
    assert chunks[-1] == {"type": "abort"}
    assert sorted(chunk["type"] for chunk in chunks[-3:-1]) == ["tool-output-denied", "tool-output-error"]
    assert [call.state for call in await calls()] == ["denied", "unknown"]
    stored = await answer()
    assert replay(await Message.objects.aget(pk=stored.pk)) is not None


async def test_a_shutdown_in_mid_step_leaves_the_question(connect, script, served):
    socket = await connect()
    await socket.ask("Both")
    reply = await script.anext_reply()
    reply.call("cancel", number="B7")
    reply.call("slow")
    reply.finish("tool-calls")
    await RUNS.began.wait()
    await served.drain()
    assert [call.state for call in await calls()] == ["asked", "unknown"]
    assert (await answer()).status == "waiting"


async def test_an_approved_call_whose_process_died_before_it_began_runs_once(connect, script, served):
    socket = await connect()
    await waits(script, socket)
    await ToolCall.objects.aupdate(state="allowed", decided_at=timezone.now(), decided_by="visitor:somebody")
    await asyncio.gather(go_on_ready(served), go_on_ready(served))
    reply = await script.anext_reply()
    assert (RUNS.cancelled, reply.request.messages[-1]["content"]) == (["B7"], "cancelled")
    reply.say("Done.")
    reply.finish()
    await eventually(lambda: not served.runs)
    assert ((await answer()).status, script.waiting) == ("complete", 0)


class Hanging(Default):
    name = "default"

    async def has_permission(self):
        if RUNS.asked.is_set():
            await RUNS.may_end.wait()
        return True


async def test_a_hook_that_hangs_delays_no_heartbeat(connect, script, served, settings):
    settings.CHAT = {**settings.CHAT, "PROCESS_TIMEOUT": 0.05}
    RUNS.asked = asyncio.Event()
    with registry.replaced(Hanging):
        await waits(script, await connect())
        await ToolCall.objects.aupdate(state="allowed")
        RUNS.asked.set()
        await eventually(lambda: served._going_on is not None and not served._going_on.done())
        before = (await Process.objects.aget()).heartbeat_at
        for _ in range(3):  # a later one cannot have begun before
            before = await later_heartbeat(before)
        RUNS.may_end.set()
        reply = await script.anext_reply()
        reply.finish()
    assert RUNS.cancelled == ["B7"]


async def later_heartbeat(before):
    async with asyncio.timeout(5):
        while (beat := (await Process.objects.aget()).heartbeat_at) == before:  # noqa: ASYNC110 (a row has no event)
            await asyncio.sleep(0.01)
    return beat


async def test_an_answer_that_cannot_go_on_keeps_no_other_from_it(connect, script, served, monkeypatch, caplog):
    socket = await connect()
    await waits(script, socket)
    await waits(script, socket, chat="c2", message="m2")
    await ToolCall.objects.aupdate(state="allowed")
    first = await ToolCall.objects.order_by("pk").select_related("message").afirst()
    carry_on = decide._go_on

    async def broken(engine, answer):
        if answer.pk == first.message_id:
            raise ImproperlyConfigured("canary-77")
        await carry_on(engine, answer)

    monkeypatch.setattr(decide, "_go_on", broken)
    await go_on_ready(served)
    await script.anext_reply()
    assert RUNS.cancelled == ["B7"]
    assert "canary-77" in caplog.text


async def test_the_steps_of_all_runs_count(connect, script, monkeypatch):
    monkeypatch.setattr(Default, "max_steps", 2)
    socket = await connect()
    await waits(script, socket)
    (call,) = await calls()
    request = await socket.decide(call.uid)
    reply = await script.anext_reply()
    reply.call("orders")
    reply.finish("tool-calls")
    chunks = await socket.chunks(request)
    assert (chunks[-1]["finishReason"], (await answer()).status, script.waiting) == ("length", "cut", 0)


async def test_other_pages_hear_of_the_question_and_of_the_decisions(connect, script, served):
    heard = []
    socket = await connect()
    with served.events.subscribe("visitor:somebody", heard.append):
        await waits(script, socket, ("cancel", {"number": "A"}), ("cancel", {"number": "B"}))
        first, second = await calls()
        await socket.chunks(await socket.decide(first.uid))
        await socket.decide(second.uid)
        (await script.anext_reply()).finish()
        await eventually(lambda: not served.runs)
    told = [(event.event, event.waiting) for event in heard]
    assert told == [
        *(("run-started", False), ("run-ended", True), ("decided", False)),
        *(("run-started", False), ("run-ended", False)),
    ]
    assert all(isinstance(event, Event) for event in heard)


async def test_a_decision_that_leaves_others_sends_nothing_of_an_earlier_run_again(connect, script):
    socket = await connect()
    await waits(script, socket)
    (call,) = await calls()
    request = await socket.decide(call.uid)
    reply = await script.anext_reply()
    reply.say("And these?")
    reply.call("cancel", number="B8")
    reply.call("cancel", number="B9")
    reply.finish("tool-calls")
    assert text_of(await socket.chunks(request)) == "And these?"
    (_, second, third) = await calls()
    assert await socket.chunks(await socket.decide(second.uid)) == []
    request = await socket.decide(third.uid)
    reply = await script.anext_reply()
    reply.say("Done.")
    reply.finish()
    kinds = [chunk["type"] for chunk in await socket.chunks(request)]
    assert kinds[:4] == ["start", "data-run", "tool-output-available", "tool-output-available"]
    assert kinds.count("text-delta") == 1


async def test_a_repeated_decision_gets_all_that_came_after_it(connect, script, served):
    socket = await connect()
    await waits(script, socket)
    (first,) = await calls()
    request = await socket.decide(first.uid)
    reply = await script.anext_reply()
    reply.say("And this?")
    reply.call("cancel", number="B8")
    reply.finish("tool-calls")
    await socket.chunks(request)
    (_, second) = await calls()
    request = await socket.decide(second.uid)
    reply = await script.anext_reply()
    reply.say("Done.")
    reply.finish()
    await socket.chunks(request)
    again = await socket.chunks(await socket.decide(first.uid))
    assert text_of(again) == "And this?Done."
    outputs = [chunk["toolCallId"] for chunk in again if chunk["type"] == "tool-output-available"]
    assert outputs == [first.uid, second.uid]


async def test_an_allowed_call_runs_when_the_time_for_the_other_question_is_over(connect, script, served):
    socket = await connect()
    await waits(script, socket, ("cancel", {"number": "A"}), ("cancel", {"number": "B"}))
    first, second = await calls()
    await socket.chunks(await socket.decide(first.uid))
    past = timezone.now() - timedelta(seconds=1)
    await ToolCall.objects.filter(pk=second.pk).aupdate(expires_at=past)
    reply = await script.anext_reply()
    assert [message["content"] for message in reply.request.messages[-2:]] == ["cancelled", LATE]
    assert RUNS.cancelled == ["A"]
    reply.say("One is cancelled.")
    reply.finish()
    await eventually(lambda: not served.runs)
    assert ([call.state for call in await calls()], (await answer()).status) == (["done", "expired"], "complete")
