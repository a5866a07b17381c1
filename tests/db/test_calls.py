"""The rows of calls: who may begin and end them, what becomes of those that are given up, and what models read."""

import json

import pytest
from django.db import DatabaseError
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from chat.chunks import FinishStep, StartStep, ToolInput, ToolOutput, ToolOutputError
from chat.db.answers import End, Written, finish, interrupt, interrupt_with
from chat.db.calls import UNKNOWN, answer_messages, begin_allowed, begin_calls, end_call
from chat.db.history import history
from chat.db.replay import parts_of, remainder, replay
from chat.endings import COMPLETE
from chat.models import Conversation, Message, Process, ToolCall
from chat.parts import TextPart, ToolPart

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def answer(database):
    """Store a question and its running answer."""
    now = timezone.now()
    process = Process.objects.create(id="p1", host="here", pid=1, started_at=now, heartbeat_at=now)
    conversation = Conversation.objects.create(owner="visitor:ann", uid="c1", updated_at=now)
    question = conversation.message_set.create(uid="m1", role="user", text="Why?")
    found = conversation.message_set.create(
        uid="a1", role="assistant", status="running", parent=question, process=process
    )
    Conversation.objects.update(tip=found, running=found)
    return found


def a_call(answer, uid="t-1", step=0, **more):
    return ToolCall(message=answer, uid=uid, step=step, name="orders", input={"status": "open"}, **more)


def begin(answer, *calls, process="p1", parts=()):
    written = Written(answer.pk, (*parts, *(ToolPart(call.uid) for call in calls)))
    return begin_calls(process, answer.pk, written.columns, calls)


def read(answer):
    return Message.objects.get(pk=answer.pk)


def test_a_call_is_stored_with_the_answer_so_far(answer):
    assert begin(answer, a_call(answer), parts=[TextPart("Look.")])
    stored = read(answer)
    assert (stored.text, stored.has_calls, stored.calls["t-1"].state) == ("Look.", True, "running")


def test_storing_a_call_again_changes_nothing(answer):
    call = a_call(answer)
    assert begin(answer, call)
    assert begin(answer, a_call(answer))
    assert ToolCall.objects.count() == 1


def test_the_answer_so_far_is_not_stored_without_its_calls(answer, monkeypatch):
    """Otherwise the parts would name a call that has no row, and nobody would know whether it ran."""

    def fails(calls):
        raise DatabaseError("The connection was lost.")

    monkeypatch.setattr(ToolCall.objects, "bulk_create", fails)
    with pytest.raises(DatabaseError):
        begin(answer, a_call(answer), parts=[TextPart("Look.")])
    assert (read(answer).text, read(answer).parts) == ("", [])


TAKEN_OVER = [{"status": "interrupted"}, {"process": None}, {"process": "p2"}]


@pytest.mark.parametrize("changes", TAKEN_OVER, ids=str)
@pytest.mark.parametrize("step", ["begin_calls", "begin_allowed"])
def test_no_call_begins_in_an_answer_that_another_process_has_taken_over(answer, step, changes):
    now = timezone.now()
    other = Process.objects.create(id="p2", host="here", pid=2, started_at=now, heartbeat_at=now)
    begin(answer, a_call(answer))
    ToolCall.objects.update(state="allowed")
    Message.objects.filter(pk=answer.pk).update(**{**changes, **({"process": other} if changes.get("process") else {})})
    if step == "begin_calls":
        assert not begin(answer, a_call(answer, "t-2"))
    else:
        assert not begin_allowed("p1", answer.pk, [a_call(answer, state="running")])
    assert [call.state for call in ToolCall.objects.all()] == ["allowed"]


@pytest.mark.parametrize("state", ["asked", "running", "done", "failed", "unknown", "denied", "expired"])
def test_only_a_call_that_was_allowed_begins_after_a_decision(answer, state):
    begin(answer, a_call(answer))
    ToolCall.objects.update(state=state)
    for call in (a_call(answer, state="running"), a_call(answer, state="failed", error="No.")):
        assert begin_allowed("p1", answer.pk, [call])
        assert [(call.state, call.error) for call in ToolCall.objects.all()] == [(state, "")]


def test_a_result_is_stored_once(answer):
    begin(answer, a_call(answer))
    done = a_call(answer, state="done", output=[1])
    assert end_call(done)
    assert end_call(done)  # the acknowledgement was lost
    assert not end_call(a_call(answer, state="failed", error="late"))
    assert read(answer).calls["t-1"].output == [1]


@pytest.mark.parametrize("end", ["finish", "interrupt", "interrupt_with"])
def test_a_call_that_is_under_way_at_the_end_is_not_known(answer, end):
    begin(answer, a_call(answer), a_call(answer, "t-2"))
    end_call(a_call(answer, state="done", output=1))
    written = Written(answer.pk, (ToolPart("t-1"), ToolPart("t-2")))
    if end == "finish":
        assert finish("p1", written, End(COMPLETE))
    elif end == "interrupt":
        interrupt([answer.pk])
    else:
        interrupt_with(written)
    calls = read(answer).calls
    assert (calls["t-1"].state, calls["t-2"].state, calls["t-2"].error) == ("done", "unknown", UNKNOWN)
    assert not end_call(a_call(answer, "t-2", state="done", output="late"))


@pytest.mark.parametrize("end", ["interrupt", "interrupt_with"])
def test_a_call_that_an_older_checkpoint_has_dropped_is_named_again(answer, end):
    begin(answer, a_call(answer), parts=[TextPart("Look.")])
    Message.objects.filter(pk=answer.pk).update(**Written(answer.pk, (TextPart("Look."),)).columns)
    if end == "interrupt":
        interrupt([answer.pk])
    else:
        interrupt_with(Written(answer.pk, (TextPart("Look."),)))
    assert read(answer).parts == [{"type": "text", "text": "Look."}, {"type": "tool", "call": "t-1"}]


def test_an_answer_without_calls_takes_one_query(answer, django_assert_num_queries):
    with django_assert_num_queries(1, using=Message.objects.db):
        assert read(answer).calls == {}


def test_a_model_reads_texts_calls_and_results_step_by_step(answer):
    begin(answer, a_call(answer, model_id="call_1", backend="b", extra={"sign": 1}), a_call(answer, "t-2", step=1))
    end_call(a_call(answer, state="done", output={"total": "1.50"}))
    end_call(a_call(answer, "t-2", state="failed", error="No."))
    parts = (TextPart("One."), ToolPart("t-1"), TextPart("Two."), ToolPart("t-2"), TextPart("Three."))
    finish("p1", Written(answer.pk, parts), End(COMPLETE))
    first, result, second, failed, last = answer_messages(read(answer), "b")
    assert (first["content"], first["tool_calls"][0]["id"], first["tool_calls"][0]["sign"]) == ("One.", "call_1", 1)
    assert result == {"role": "tool", "tool_call_id": "call_1", "content": '{"total": "1.50"}'}
    assert (second["content"], failed["content"], last["content"]) == ("Two.", "No.", "Three.")
    assert failed["tool_call_id"] == second["tool_calls"][0]["id"]
    others = answer_messages(read(answer), "another")
    assert "sign" not in others[0]["tool_calls"][0]
    assert len(others[0]["tool_calls"][0]["id"]) == 9


def test_the_history_counts_calls_and_leaves_them_out_for_models_without_tools(answer):
    begin(answer, a_call(answer))
    end_call(a_call(answer, state="done", output="x" * 500))
    finish("p1", Written(answer.pk, (ToolPart("t-1"), TextPart("So."))), End(COMPLETE))
    conversation = Conversation.objects.get()
    question = conversation.message_set.create(uid="m2", role="user", text="And?", parent=answer)

    def roles(budget, tools):
        return [message["role"] for message in history(conversation, question.pk, budget, tools)]

    assert roles(5_000, "b") == ["user", "assistant", "tool", "assistant", "user"]
    assert roles(5_000, None) == ["user", "assistant", "user"]
    assert roles(400, "b") == ["user"]


def stored(*parts):
    """Make an answer of parts: a text, or the state of a call and its step."""
    message = Message(uid="a1", status="complete", finish_reason="stop", parts=[], has_calls=True)
    calls = {}
    for number, part in enumerate(parts):
        if isinstance(part, str):
            message.parts.append({"type": "text", "text": part})
            continue
        state, step = part
        uid = f"t-{number}"
        message.parts.append({"type": "tool", "call": uid})
        calls[uid] = ToolCall(uid=uid, name="orders", state=state, step=step, output=1, error="No.")
    message.calls = calls
    return message


def test_a_stored_answer_is_replayed_in_its_steps():
    found = replay(stored("One.", ("done", 0), ("failed", 0), ("unknown", 1), "Two."))
    kinds = [type(chunk).__name__ for chunk in found]
    assert kinds == [
        *("Start", "StartStep", "TextStart", "TextDelta", "TextEnd"),
        *("ToolInput", "ToolInput", "ToolOutput", "ToolOutputError", "FinishStep"),
        *("StartStep", "ToolInput", "ToolOutputError", "FinishStep"),
        *("StartStep", "TextStart", "TextDelta", "TextEnd", "FinishStep", "Finish"),
    ]


calls = st.tuples(st.sampled_from(["done", "failed", "unknown"]), st.just(0))


@given(st.lists(st.one_of(st.text(min_size=1), calls), max_size=5), st.data())
def test_wherever_a_reader_stands_the_remainder_completes_it(parts, data):
    step = 0
    placed = []
    for part in parts:
        if isinstance(part, str):
            step += bool(placed and not isinstance(placed[-1], str))
            if placed and isinstance(placed[-1], str):
                continue  # neighbours of a kind are one part
            placed.append(part)
        else:
            step += bool(placed and not isinstance(placed[-1], str) and data.draw(st.booleans()))
            placed.append((part[0], step))
    message = stored(*placed)
    whole = replay(message)
    held = whole[: data.draw(st.integers(0, len(whole)))]
    assert [*held, *remainder(message, held)] == whole
    assert len(parts_of(whole)) == len(placed)


def test_a_reader_that_knows_another_call_gets_everything():
    message = stored(("done", 0))
    assert remainder(message, [*replay(message)[:2], ToolInput("t-9", "orders", {})]) is None


def test_progress_does_not_end_a_call():
    message = stored(("done", 0))
    held = [*replay(message)[:3], ToolOutput("t-0", {"progress": "..."}, preliminary=True)]
    assert remainder(message, held) == [ToolOutput("t-0", 1), FinishStep(), replay(message)[-1]]


def test_a_part_whose_row_was_never_stored_is_left_out():
    message = stored("One.", ("done", 0))
    message.calls = {}
    kinds = [type(chunk) for chunk in replay(message)]
    assert ToolInput not in kinds
    assert ToolOutputError not in kinds
    assert kinds.count(StartStep) == 1
    assert json.dumps(answer_messages(message, "b")) == json.dumps([{"role": "assistant", "content": "One."}])
