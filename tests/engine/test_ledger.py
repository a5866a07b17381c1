"""The ledger: each call of a model has a row, however it ended, and no figure in it is invented."""

from decimal import Decimal

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import DatabaseError

from chat.assistants import Assistant, tool
from chat.assistants.discovery import registry
from chat.backends.scripted import Script
from chat.engine import run
from chat.engine.titles import PROMPT
from chat.models import Conversation, Message, Usage
from chat.tokens import PER_MESSAGE, estimated
from tests.support.upstream import eventually

PRICES = {"currency": "EUR", "models": {"scripted": {"input": "2", "cached": "1", "output": "10"}}}
REPORT = {"prompt_tokens": 100, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 60}}


@pytest.fixture
def priced(script, settings):
    settings.CHAT = {**settings.CHAT, "PRICES": PRICES}
    return script


async def rows(count=1, **wanted):
    """Return the rows, of which there must be so many."""
    found = [row async for row in Usage.objects.filter(**wanted).order_by("pk")]
    assert len(found) == count, [str(row) for row in found]
    return found


async def answered(script, socket, usage=REPORT, text="Because.", asked="Why?", **more):
    request = await socket.ask(asked, **more)
    reply = await script.anext_reply()
    reply.say(text)
    reply.finish(usage=usage)
    await socket.chunks(request)
    return reply


def of_question(text):
    """Return the estimate of a first question without instructions."""
    return PER_MESSAGE + estimated(text)


async def test_a_call_is_entered_as_its_endpoint_reports_it_with_the_prices_of_the_time(priced, connect):
    await answered(priced, await connect())
    (row,) = await rows()
    answer = await Message.objects.aget(role="assistant")
    assert row.tokens == (100, 60, 20, None)
    assert (row.source, row.outcome, row.kind) == ("exact", "complete", "answer")
    assert (row.cost, row.currency) == (Decimal("0.000340000000"), "EUR")
    assert row.prices == {"input": "2", "cached": "1", "output": "10"}
    assert (row.message_id, row.step, row.attempt) == (answer.pk, 0, 0)
    assert (row.owner, row.user_id, row.assistant) == ("visitor:somebody", None, "default")
    assert (row.backend, row.model) == ("default", "scripted")
    assert answer.created_at <= row.started_at <= answer.ended_at
    assert answer.usage == REPORT, "the message keeps what was reported"
    assert answer.calling is None


async def test_without_a_price_the_cost_is_not_known(script, connect):
    await answered(script, await connect())
    (row,) = await rows()
    assert (row.cost, row.currency, row.prices) == (None, "", None)


async def test_a_call_that_reports_nothing_is_estimated_from_its_texts(priced, connect):
    await answered(priced, await connect(), usage=None, text="x" * 41)
    (row,) = await rows()
    assert row.tokens == (of_question("Why?"), None, 11, None)
    assert row.source == "estimated"
    assert row.cost == Decimal(2 * row.input_tokens + 10 * 11) / 1_000_000


async def test_half_a_report_is_completed_by_an_estimate(priced, connect):
    await answered(priced, await connect(), usage={"prompt_tokens": 77}, text="x" * 4)
    (row,) = await rows()
    assert (row.tokens, row.source) == ((77, None, 1, None), "estimated")


async def test_a_stopped_call_is_estimated_from_what_has_arrived(priced, connect):
    socket = await connect()
    request = await socket.ask("Why?")
    reply = await priced.anext_reply()
    reply.think("y" * 8)
    reply.say("x" * 8)
    await socket.chunk(request, "text-delta")
    await socket.abort(request)
    await socket.rest(request)
    (row,) = await rows()
    assert (row.outcome, row.source, row.output_tokens) == ("stopped", "estimated", 4)


@pytest.mark.parametrize("code", ["upstream", "timeout"])
async def test_a_call_that_fails_in_the_middle_is_estimated(priced, connect, code):
    socket = await connect()
    request = await socket.ask("Why?")
    reply = await priced.anext_reply()
    reply.say("x" * 8)
    reply.fail(code)
    await socket.rest(request)
    (row,) = await rows()
    assert (row.outcome, row.source, row.output_tokens) == ("failed", "estimated", 2)
    assert row.input_tokens == of_question("Why?")


async def test_a_call_that_breaks_off_is_entered_as_interrupted(priced, connect):
    socket = await connect()
    request = await socket.ask("Why?")
    reply = await priced.anext_reply()
    reply.say("x" * 8)
    reply.break_off()
    await socket.rest(request)
    (row,) = await rows()
    assert (row.outcome, row.output_tokens) == ("interrupted", 2)


async def test_a_call_that_the_endpoint_refuses_has_used_nothing(priced, connect):
    socket = await connect()
    request = await socket.ask("Why?")
    (await priced.anext_reply()).fail("context")
    await socket.rest(request)
    (row,) = await rows()
    assert (row.outcome, row.tokens, row.cost) == ("failed", (0, None, 0, None), 0)


async def test_an_answer_that_is_too_long_is_entered_as_cut(priced, connect, settings):
    settings.CHAT = {**settings.CHAT, "MAX_ANSWER_LENGTH": 8}
    socket = await connect()
    request = await socket.ask("Why?")
    (await priced.anext_reply()).say("x" * 20)
    await socket.rest(request)
    (row,) = await rows()
    assert (row.outcome, row.output_tokens) == ("cut", 2)


async def test_each_retry_is_a_call(priced, connect):
    socket = await connect()
    request = await socket.ask("Why?")
    (await priced.anext_reply()).fail("upstream", retry=True)
    (await priced.anext_reply()).fail("rate_limited", retry=True)
    reply = await priced.anext_reply()
    reply.say("So.")
    reply.finish(usage=REPORT)
    await socket.chunks(request)
    found = await rows(3)
    assert [(row.attempt, row.outcome, row.source) for row in found] == [
        (0, "failed", "estimated"),
        (1, "failed", "estimated"),
        (2, "complete", "exact"),
    ]
    assert [row.tokens.total for row in found] == [of_question("Why?"), 0, 120]


class Shop(Assistant):
    name = "default"
    backend = ("default", "second")
    instructions = "Be brief."

    @tool
    def orders(self):
        """The orders."""
        return ["B7"]


@pytest.fixture
def second(priced, settings):
    backends = {**settings.CHAT["BACKENDS"]}
    backends["second"] = {"BACKEND": backends["default"]["BACKEND"], "OPTIONS": {"script": "ledger-second"}}
    settings.CHAT = {**settings.CHAT, "BACKENDS": backends, "RETRIES": 0}
    with registry.replaced(Shop):
        yield Script("ledger-second")


async def test_the_backend_that_takes_the_place_of_another_has_a_row_of_its_own(second, priced, connect):
    socket = await connect()
    request = await socket.ask("Why?")
    (await priced.anext_reply()).fail("upstream")
    reply = await second.anext_reply()
    reply.say("So.")
    reply.finish(usage=REPORT)
    await socket.chunks(request)
    found = await rows(2)
    assert [(row.backend, row.attempt, row.outcome) for row in found] == [
        ("default", 0, "failed"),
        ("second", 1, "complete"),
    ]


async def test_each_step_is_a_call_and_is_stored_with_the_calls_of_its_tools(second, priced, connect):
    socket = await connect()
    request = await socket.ask("Where is it?")
    reply = await priced.anext_reply()
    reply.call("orders")
    reply.finish("tool-calls", usage=REPORT)
    last = await priced.anext_reply()
    (row,) = await rows()
    assert (row.step, row.tokens.total, row.outcome) == (0, 120, "complete")
    answer = await Message.objects.aget(role="assistant")
    assert answer.calling == {"backend": "default", "step": 1, "input": 120}
    last.say("Here.")
    last.finish(usage=REPORT)
    await socket.chunks(request)
    assert [row.step for row in await rows(2)] == [0, 1]


async def test_a_reply_of_calls_without_a_report_is_estimated_from_their_arguments(second, priced, connect):
    socket = await connect()
    request = await socket.ask("Where is it?")
    reply = await priced.anext_reply()
    reply.call_with("orders", '{"a": "123456789"}')
    reply.finish("tool-calls")
    last = await priced.anext_reply()
    (row,) = await rows()
    assert (row.output_tokens, row.source) == (estimated('orders{"a": "123456789"}'), "estimated")
    last.finish()
    await socket.rest(request)


async def test_a_users_rows_outlive_the_user_and_the_conversation(priced, connect):
    ada = await User.objects.acreate_user("ada")
    await answered(priced, await connect(user=ada))
    (row,) = await rows()
    assert (row.user_id, row.owner) == (ada.pk, f"user:{ada.pk}")
    await Conversation.objects.all().adelete()
    (row,) = await rows()
    assert (row.message_id, row.user_id, row.tokens.total) == (None, ada.pk, 120)
    await sync_to_async(ada.delete)()
    (row,) = await rows()
    assert (row.user_id, row.owner, row.tokens.total) == (None, "", 120)


async def test_the_call_of_an_answer_that_is_deleted_under_way_is_kept(priced, connect, served):
    ada = await User.objects.acreate_user("ada")
    socket = await connect(user=ada)
    request = await socket.ask("Why?")
    reply = await priced.anext_reply()
    reply.say("x" * 8)
    await socket.chunk(request, "text-delta")
    await sync_to_async(ada.delete)()
    await eventually(reply.closed.is_set)
    await eventually(lambda: not served.runs)
    (row,) = await rows()
    assert (row.message_id, row.user_id, row.owner) == (None, None, "")
    assert (row.outcome, row.output_tokens) == ("interrupted", 2)


@pytest.fixture
def titled(priced, settings):
    settings.CHAT = {**settings.CHAT, "TITLES": "model"}
    return priced


async def test_a_title_is_a_call_of_its_own(titled, connect, served):
    await answered(titled, await connect())
    reply = await titled.anext_reply()
    (row,) = await rows(kind="title")
    prompt = PROMPT.format(question="Why?", answer="Because.")
    assert (row.outcome, row.source, row.tokens) == ("interrupted", "estimated", (of_question(prompt), None, 0, None))
    reply.say("Reasons")
    reply.finish(usage=REPORT)
    await eventually(lambda: not served.tasks)
    (row,) = await rows(kind="title")
    answer = await Message.objects.aget(role="assistant")
    assert (row.outcome, row.source, row.tokens.total, row.message_id) == ("complete", "exact", 120, answer.pk)
    assert row.cost == Decimal("0.00034")


async def test_a_title_that_is_cancelled_is_estimated_from_what_has_arrived(titled, connect, served):
    await answered(titled, await connect())
    reply = await titled.anext_reply()
    reply.say("x" * 8)
    await eventually(lambda: reply._steps._unfinished_tasks == 1 and reply._steps.empty())  # sent, and read
    served.titles.close()
    await eventually(reply.closed.is_set)
    await eventually(lambda: not served.tasks)
    (row,) = await rows(kind="title")
    assert (row.outcome, row.output_tokens, row.source) == ("interrupted", 2, "estimated")


async def test_a_title_that_fails_keeps_its_row(titled, connect, served):
    await answered(titled, await connect())
    (await titled.anext_reply()).fail("upstream")
    await eventually(lambda: not served.tasks)
    (row,) = await rows(kind="title")
    assert (row.outcome, row.source) == ("failed", "estimated")


async def test_a_price_that_cannot_be_found_ends_no_answer(script, connect, settings, monkeypatch, caplog):
    monkeypatch.setattr("chat.prices.Prices.find", lambda *_: 1 / 0)
    await answered(script, await connect())
    (row,) = await rows()
    assert (row.tokens.total, row.cost) == (120, None)
    assert "could not be found" in caplog.text


async def test_a_call_that_the_database_did_not_take_is_written_with_the_answers_end(
    priced, connect, served, monkeypatch
):

    finish, failed = run.finish, []

    def broken(*args):
        if len(failed) < 100:
            failed.append(args)
            raise DatabaseError("away")
        return finish(*args)

    monkeypatch.setattr(run, "finish", broken)
    socket = await connect()
    request = await socket.ask("Why?")
    reply = await priced.anext_reply()
    reply.say("So.")
    reply.finish(usage=REPORT)
    await socket.rest(request)
    while not await Usage.objects.aexists():
        await served.heartbeat.update()
    (row,) = await rows()
    assert row.tokens.total == 120
