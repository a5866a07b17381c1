"""Limits: what counts, what is refused, what a refusal costs, and how calls of the model are settled."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User

from chat.assistants import Assistant, tool
from chat.assistants.buttons import sign
from chat.assistants.discovery import registry
from chat.db.answers import Written, interrupt_with
from chat.engine import run
from chat.engine.meter import OUTPUT
from chat.limits import UNITS
from chat.models import Conversation, Counter, Message, ToolCall, Usage
from chat.owners import Owner
from chat.tokens import PER_MESSAGE, estimated
from tests.support.upstream import eventually

REPORT = {"prompt_tokens": 10, "completion_tokens": 5}
PRICES = {"currency": "EUR", "models": {"scripted": {"input": "1", "output": "2"}}}


class Default(Assistant):
    @tool
    def orders(self):
        """The orders."""
        return ["B7"]

    @tool(confirm=True)
    def cancel(self, number: str):
        """Cancels an order."""
        return "cancelled"


@pytest.fixture
def limited(script, settings):
    """Set limits, for the rest of the test."""

    def limited(**limits):
        settings.CHAT = {**settings.CHAT, "LIMITS": limits, "PRICES": PRICES}
        return script

    return limited


async def counters(measure=""):
    """Return the counters of a measure, by their scopes and windows."""
    found = {}
    async for counter in Counter.objects.filter(name__contains=f" {measure}"):
        found[counter.name.rpartition(" ")[0]] = counter.used
    return found


async def used(measure):
    (only,) = (await counters(measure)).values()
    return only


async def finish(script, socket, request, usage=REPORT):
    reply = await script.anext_reply()
    reply.say("So.")
    reply.finish(usage=usage)
    return await socket.chunks(request)


async def answered(script, socket, message="m1", **more):
    return await finish(script, socket, await socket.ask("Why?", message=message, **more))


async def refused(socket, request):
    """Return the time from which the request can be sent again."""
    (frame,) = await socket.rest(request)
    assert (frame["type"], frame["code"]) == ("error", "limit"), frame
    return datetime.fromisoformat(frame["retryAt"])


async def test_a_visitor_may_ask_so_often_and_is_told_when_again(limited, connect):
    script = limited(anonymous={"answers": "2/day"})
    socket = await connect("ann")
    await answered(script, socket)
    await answered(script, socket, "m2")
    before = await sync_to_async(list)(Message.objects.values_list("pk"))
    again = await refused(socket, await socket.ask("More?", message="m3"))
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    assert again == midnight
    assert await sync_to_async(list)(Message.objects.values_list("pk")) == before, "nothing is stored"
    assert script.waiting == 0, "no model is called"
    assert await counters() == {"owner visitor:ann answers day": 2}
    await answered(script, await connect("ben"))


async def test_a_repeat_is_never_refused_and_never_counted_twice(limited, connect):
    script = limited(anonymous={"answers": "1/day"})
    socket = await connect("ann")
    await answered(script, socket)
    for _ in range(2):
        assert (await socket.chunks(await socket.ask("Why?")))[-1]["type"] == "finish"
    assert await used("answers") == 1


async def test_a_question_that_is_refused_can_be_sent_again_later(limited, connect, settings):
    script = limited(anonymous={"answers": "1/day"})
    socket = await connect("ann")
    await answered(script, socket)
    await refused(socket, await socket.ask("More?", message="m2"))
    await Counter.objects.all().adelete()  # the next day
    await answered(script, socket, "m2")


async def test_another_answer_and_an_edit_count_and_their_repeats_do_not(limited, connect):
    script = limited(anonymous={"answers": "3/day"})
    socket = await connect("ann")
    await answered(script, socket)
    await finish(script, socket, await socket.regenerate(attempt="r1"))
    await socket.chunks(await socket.regenerate(attempt="r1"))
    assert await used("answers") == 2
    edit = {"message": "m1", "messageId": "m1"}
    await finish(script, socket, await socket.ask("Edited?", **edit))
    await socket.chunks(await socket.ask("Edited?", **edit))
    assert await used("answers") == 3
    await refused(socket, await socket.regenerate(attempt="r2"))


async def test_users_and_addresses_and_the_site_have_limits_of_their_own(limited, connect):
    limits = {"user": {"answers": "9/day"}, "anonymous": {"answers": "1/hour"}, "site": {"answers": "3/month"}}
    script = limited(**limits, address={"answers": "1/day"})
    ada = await User.objects.acreate_user("ada")
    await answered(script, await connect(user=ada))
    socket = await connect("ann")
    await answered(script, socket)
    assert await counters() == {
        f"owner user:{ada.pk} answers day": 1,
        "owner visitor:ann answers hour": 1,
        "site answers month": 2,
    }, "the address is not known here"
    await answered(script, await connect(user=ada), "m2")
    await refused(socket, await socket.ask("More?", message="m3", chat="c2"))


async def test_an_address_behind_a_proxy_has_a_limit_for_all_its_visitors(limited, connect, settings):
    script = limited(address={"answers": "1/day", "tokens": "9_000/day"})
    settings.CHAT = {**settings.CHAT, "TRUSTED_PROXIES": 1, "MAX_SOCKETS_PER_ADDRESS": 2}
    await answered(script, await connect("ann", forwarded="8.8.8.8"))
    socket = await connect("ben", forwarded="1.2.3.4, 8.8.8.8")
    await refused(socket, await socket.ask("Why?"))
    await answered(script, await connect("eve", forwarded="9.9.9.9"))
    assert sorted((await counters("answers")).values()) == [1, 1]
    assert sorted((await counters("tokens")).values()) == [15, 15]
    late = await connect("joe", forwarded="8.8.8.8")
    assert (await late.closed())[0] == 4429, "sockets of an address are counted in the same way"


async def test_an_assistant_has_limits_of_its_own(limited, connect):
    class Limited(Assistant):
        name = "default"

        def limits(self):
            return {"answers": "1/day"} if self.user is None else {}

    script = limited()
    with registry.replaced(Limited):
        socket = await connect("ann")
        await answered(script, socket)
        await refused(socket, await socket.ask("More?", message="m2"))
        assert await counters() == {"assistant default visitor:ann answers day": 1}
        ada = await User.objects.acreate_user("ada")
        await answered(script, await connect(user=ada))


async def test_wrong_limits_of_an_assistant_refuse_and_are_logged(limited, connect, caplog):
    class Wrong(Assistant):
        name = "default"

        async def limits(self):
            return {"answers": "often"}

    limited()
    with registry.replaced(Wrong):
        socket = await connect("ann")
        assert await socket.error(await socket.ask("Why?")) == "internal"
    assert """limits()["answers"] must be a number and a window""" in caplog.text


async def test_tokens_are_reserved_before_the_call_and_settled_after_it(limited, connect):
    script = limited(anonymous={"tokens": "5_000/day"})
    socket = await connect("ann")
    request = await socket.ask("Why?")
    reply = await script.anext_reply()
    reserved = PER_MESSAGE + estimated("Why?") + OUTPUT
    assert await used("tokens") == reserved
    answer = await Message.objects.aget(role="assistant")
    assert [part[1:] for part in answer.calling["reserved"]] == [["tokens", reserved]]
    reply.say("So.")
    reply.finish(usage=REPORT)
    await socket.chunks(request)
    assert await used("tokens") == 15


async def test_costs_are_counted_with_the_price_of_the_model(limited, connect):
    script = limited(user={"cost": "0.01/day"})
    ada = await User.objects.acreate_user("ada")
    await answered(script, await connect(user=ada))
    row = await Usage.objects.aget()
    assert row.cost == Decimal("0.00002")
    assert await used("cost") == int(row.cost * UNITS)


async def test_a_question_is_refused_if_its_call_might_exceed_a_limit(limited, connect):
    script = limited(anonymous={"tokens": "1_500/day"})
    socket = await connect("ann")
    request = await socket.ask("Why?")
    reply = await script.anext_reply()
    await refused(socket, await socket.ask("Why?", chat="c2"))
    reply.finish(usage=REPORT)
    await socket.chunks(request)
    await answered(script, socket, chat="c2")
    assert await used("tokens") == 30


async def test_what_a_stopped_answer_did_not_use_is_given_back(limited, connect):
    script = limited(anonymous={"tokens": "5_000/day"})
    socket = await connect("ann")
    request = await socket.ask("Why?")
    reply = await script.anext_reply()
    reply.say("x" * 8)
    await socket.chunk(request, "text-delta")
    await socket.abort(request)
    await socket.rest(request)
    assert await used("tokens") == PER_MESSAGE + 1 + 2


@pytest.mark.parametrize(("code", "expected"), [("upstream", PER_MESSAGE + 1), ("refused", 0)])
async def test_what_a_failed_answer_did_not_use_is_given_back(limited, connect, code, expected):
    script = limited(anonymous={"tokens": "5_000/day"})
    socket = await connect("ann")
    request = await socket.ask("Why?")
    (await script.anext_reply()).fail(code)
    await socket.rest(request)
    assert await used("tokens") == expected


async def test_what_a_dead_process_has_reserved_is_settled_by_an_estimate_once(limited, connect, served):
    script = limited(anonymous={"tokens": "5_000/day"})
    socket = await connect("ann")
    request = await socket.ask("Why?")
    reply = await script.anext_reply()
    reply.say("x" * 8)
    await socket.chunk(request, "text-delta")
    answer = await Message.objects.aget(role="assistant")
    await Message.objects.filter(pk=answer.pk).aupdate(parts=[{"type": "text", "text": "x" * 8}])
    for _ in range(2):
        await sync_to_async(interrupt_with)(Written(answer.pk, ()))
        assert await used("tokens") == PER_MESSAGE + 1 + 2
    await eventually(lambda: not served.runs)  # its own process sees that it has lost the answer
    assert await used("tokens") == PER_MESSAGE + 1 + 2
    assert await Usage.objects.acount() == 1


async def test_what_a_deleted_answer_has_reserved_is_settled(limited, connect, served):
    script = limited(site={"tokens": "5_000/day"})
    socket = await connect("ann")
    await socket.ask("Why?")
    reply = await script.anext_reply()
    await Conversation.objects.all().adelete()
    await eventually(reply.closed.is_set)
    await eventually(lambda: not served.runs)
    assert await used("tokens") == PER_MESSAGE + 1


@pytest.fixture
def shop():
    with registry.replaced(Default):
        yield Default


async def test_each_step_reserves_and_settles_its_own_call(shop, limited, connect):
    script = limited(anonymous={"tokens": "5_000/day"})
    socket = await connect("ann")
    request = await socket.ask("Where?")
    reply = await script.anext_reply()
    reply.call("orders")
    reply.finish("tool-calls", usage=REPORT)
    last = await script.anext_reply()
    answer = await Message.objects.aget(role="assistant")
    ((_, _, reserved),) = answer.calling["reserved"]
    assert answer.calling["step"] == 1
    assert await used("tokens") == 15 + reserved
    last.say("Here.")
    last.finish(usage=REPORT)
    await socket.chunks(request)
    assert await used("tokens") == 30


async def test_what_a_step_reserves_while_it_is_stopped_is_given_back(shop, limited, connect, monkeypatch):
    began, may_end, reserve = threading.Event(), threading.Event(), run.reserve

    def slow(*args):
        began.set()
        may_end.wait(5)
        return reserve(*args)

    monkeypatch.setattr(run, "reserve", slow)
    script = limited(anonymous={"tokens": "5_000/day"})
    socket = await connect("ann")
    request = await socket.ask("Where?")
    reply = await script.anext_reply()
    reply.call("orders")
    reply.finish("tool-calls", usage=REPORT)
    assert await asyncio.to_thread(began.wait, 5)
    await socket.abort(request)
    may_end.set()
    assert (await socket.chunks(request))[-1]["type"] == "abort"
    assert await used("tokens") == 15
    assert script.waiting == 0


async def test_a_step_that_would_exceed_a_limit_ends_the_answer_as_cut(shop, limited, connect):
    script = limited(anonymous={"tokens": "1_500/day"})
    socket = await connect("ann")
    request = await socket.ask("Where?")
    reply = await script.anext_reply()
    reply.say("Let me see.")
    reply.call("orders")
    reply.finish("tool-calls", usage={"prompt_tokens": 900, "completion_tokens": 100})
    chunks = await socket.chunks(request)
    assert [chunk["type"] for chunk in chunks[-3:]] == ["tool-output-available", "finish-step", "finish"]
    assert chunks[-1] == {"type": "finish", "finishReason": "other"}
    assert script.waiting == 0
    answer = await Message.objects.aget(role="assistant")
    assert (answer.status, answer.finish_reason, answer.text) == ("cut", "other", "Let me see.")
    assert answer.calling is None
    assert await used("tokens") == 1_000
    assert (await ToolCall.objects.aget()).state == "done"


async def test_the_page_says_that_an_answer_was_cut_for_a_limit(shop, limited, connect):
    script = limited(anonymous={"tokens": "1_500/day"})
    socket = await connect("ann")
    request = await socket.ask("Where?", body={"view": "html"})
    reply = await script.anext_reply()
    reply.call("orders")
    reply.finish("tool-calls", usage={"prompt_tokens": 900, "completion_tokens": 100})
    live = await socket.chunks(request)
    again = await socket.chunks(await socket.resume(body={"view": "html"}))
    for shown in (str(live), str(again)):
        assert "because a limit was reached" in shown


async def waiting(script, socket):
    """Ask for what the visitor must allow; return the call."""
    request = await socket.ask("Cancel it.")
    reply = await script.anext_reply()
    reply.call("cancel", number="B7")
    reply.finish("tool-calls", usage={"prompt_tokens": 900, "completion_tokens": 100})
    await socket.chunks(request)
    return await ToolCall.objects.aget()


async def test_a_decision_is_not_refused_for_a_limit_and_the_call_after_it_counts(shop, limited, connect):
    script = limited(anonymous={"answers": "1/day", "tokens": "2_500/day"})
    socket = await connect("ann")
    call = await waiting(script, socket)
    assert await used("tokens") == 1_000
    await finish(script, socket, await socket.decide(call.uid))
    assert await used("tokens") == 1_015
    assert await used("answers") == 1


async def test_the_step_after_a_decision_is_cut_and_the_call_is_carried_out(shop, limited, connect):
    script = limited(anonymous={"tokens": "1_500/day"})
    socket = await connect("ann")
    call = await waiting(script, socket)
    chunks = await socket.chunks(await socket.decide(call.uid))
    assert chunks[-1] == {"type": "finish", "finishReason": "other"}
    await call.arefresh_from_db()
    assert call.state == "done"
    assert script.waiting == 0


async def press(socket, *, answers):
    value = sign(Owner("visitor:ann").digest, "c1", "default", "orders", {}, "Orders", answers=answers)
    return await socket.send({"type": "press", "id": "c1", "value": value})


async def test_a_button_counts_only_if_the_model_answers(shop, limited, connect):
    script = limited(anonymous={"answers": "2/day", "tokens": "5_000/day"})
    socket = await connect("ann")
    await answered(script, socket)
    await socket.chunks(await press(socket, answers=False))
    assert (await used("answers"), await used("tokens")) == (1, 15)
    await finish(script, socket, await press(socket, answers=True))
    assert (await used("answers"), await used("tokens")) == (2, 30)
    await refused(socket, await press(socket, answers=True))
    await socket.chunks(await press(socket, answers=False))


async def test_what_the_call_after_a_button_reserves_is_given_back_if_it_is_stopped_before(limited, connect):
    began, may_end = asyncio.Event(), asyncio.Event()

    class Slow(Assistant):
        name = "default"

        @tool
        async def orders(self):
            """The orders."""
            began.set()
            await may_end.wait()

    script = limited(anonymous={"tokens": "5_000/day"})
    with registry.replaced(Slow):
        socket = await connect("ann")
        await answered(script, socket)
        request = await press(socket, answers=True)
        await asyncio.wait_for(began.wait(), 5)
        assert await used("tokens") > 15 + OUTPUT
        await socket.abort(request)
        await socket.rest(request)
        assert await used("tokens") == 15


async def test_a_title_counts_and_is_left_out_where_it_would_exceed_a_limit(limited, connect, served, settings):
    script = limited(anonymous={"tokens": "1_060/day", "answers": "1/day"})
    settings.CHAT = {**settings.CHAT, "TITLES": "model"}
    socket = await connect("ann")
    await answered(script, socket)
    title = await script.anext_reply()
    title.say("Reasons")
    title.finish(usage=REPORT)
    await eventually(lambda: not served.tasks)
    assert (await used("tokens"), await used("answers")) == (30, 1)


async def test_a_title_that_would_exceed_a_limit_is_not_asked_for(limited, connect, served, settings):
    script = limited(anonymous={"tokens": "1_060/day"})
    settings.CHAT = {**settings.CHAT, "TITLES": "model"}
    socket = await connect("ann")
    request = await socket.ask("Why?")
    await finish(script, socket, request, usage={"prompt_tokens": 1_000, "completion_tokens": 50})
    await eventually(lambda: not served.tasks)
    assert script.waiting == 0
    assert await Usage.objects.acount() == 1


async def test_of_many_questions_at_once_as_many_are_answered_as_the_limit_allows(limited, connect):
    script = limited(anonymous={"answers": "3/day"})
    socket = await connect("ann")
    requests = [await socket.ask("Why?", chat=f"c{number}") for number in range(10)]
    replies = [await script.anext_reply() for _ in range(3)]
    for reply in replies:
        reply.say("So.")
        reply.finish()
    ends = [(await socket.rest(request))[-1]["type"] for request in requests]
    assert sorted(ends) == ["end"] * 3 + ["error"] * 7
    assert script.waiting == 0


async def test_so_many_answers_of_a_visitor_run_at_once(script, connect, settings):
    settings.CHAT = {**settings.CHAT, "MAX_RUNNING_PER_OWNER": 2}
    socket = await connect("ann")
    requests = [await socket.ask("Why?", chat=f"c{number}") for number in range(2)]
    replies = [await script.anext_reply() for _ in requests]
    assert await socket.error(await socket.ask("Why?", chat="c9")) == "too_many_answers"
    assert not await Conversation.objects.filter(uid="c9").aexists()
    for reply in replies:
        reply.finish()
    for request in requests:
        await socket.rest(request)
    await answered(script, socket, chat="c9")
    held = await socket.ask("Why?", chat="c0", message="m8")
    other = await socket.ask("Why?", chat="c1", message="m8")
    replies = [await script.anext_reply() for _ in range(2)]
    assert await socket.error(await socket.regenerate(chat="c9", attempt="r1")) == "too_many_answers"
    for reply in replies:
        reply.finish()
    for request in (held, other):
        await socket.rest(request)


async def test_a_visitor_without_an_account_has_so_many_conversations(script, connect, settings):
    settings.CHAT = {**settings.CHAT, "MAX_CONVERSATIONS_PER_VISITOR": 1}
    socket = await connect("ann")
    await answered(script, socket)
    assert await socket.error(await socket.ask("Why?", chat="c2")) == "too_many_conversations"
    assert await Conversation.objects.acount() == 1
    await answered(script, socket, "m2")
    ada = await User.objects.acreate_user("ada")
    for chat in ("c1", "c2"):
        await answered(script, await connect(user=ada), chat=chat)
