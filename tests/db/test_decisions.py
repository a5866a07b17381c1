"""Decisions about calls: which are stored, and which of them lets its answer go on, and once only."""

import pytest
from django.utils import timezone

from chat.db.decisions import Decide, Decision, decide, go_on, ready, stop_waiting
from chat.db.values import Writer
from chat.errors import Refusal
from chat.models import Conversation, Message, Process, ToolCall
from chat.owners import Owner

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

ANN = Owner("visitor:ann")


@pytest.fixture
def writer(database):
    now = timezone.now()
    Process.objects.create(id="p1", host="here", pid=1, started_at=now, heartbeat_at=now)
    return Writer("p1", "model", 10_000, tools="default")


@pytest.fixture
def answer(writer):
    """Store an answer that waits for decisions about two calls."""
    conversation = Conversation.objects.create(owner=ANN.key, uid="c1", updated_at=timezone.now())
    question = conversation.message_set.create(uid="m1", role="user", text="Why?")
    parts = [{"type": "tool", "call": "t-1"}, {"type": "tool", "call": "t-2"}]
    found = conversation.message_set.create(
        uid="a1", role="assistant", status="waiting", parent=question, parts=parts, has_calls=True
    )
    for uid in ("t-1", "t-2"):
        found.tool_calls.create(uid=uid, step=0, name="cancel", state="asked", question="Really?")
    Conversation.objects.update(tip=found)
    return found


def decided(writer, *calls, approved=True, **more):
    return decide(Decide(ANN, "c1", [Decision(call, approved) for call in calls], **more), writer)


def states():
    return list(ToolCall.objects.order_by("pk").values_list("state", flat=True))


def status():
    return Message.objects.values_list("status", "process", "run").get(uid="a1")


def refused(writer, *calls, **more):
    before = states(), status(), list(Conversation.objects.values())
    with pytest.raises(Refusal) as refusal:
        decided(writer, *calls, **more)
    assert (states(), status(), list(Conversation.objects.values())) == before
    return refusal.value.code


def test_the_last_decision_lets_the_answer_go_on(answer, writer):
    assert not decided(writer, "t-1").fresh
    assert (states(), status()) == (["allowed", "asked"], ("waiting", None, 0))
    turn = decided(writer, "t-2", approved=False)
    assert (turn.fresh, turn.goes_on, turn.answer.pk) == (True, True, answer.pk)
    assert (states(), status()) == (["allowed", "denied"], ("running", "p1", 1))
    assert Conversation.objects.get().running_id == answer.pk


def test_the_same_decision_again_begins_no_other_run(answer, writer):
    assert decided(writer, "t-1", "t-2").fresh
    assert not decided(writer, "t-1", "t-2").fresh
    assert (states(), status()) == (["allowed"] * 2, ("running", "p1", 1))


def test_one_of_several_decisions_that_cannot_be_stored_takes_the_others_along(answer, writer):
    decided(writer, "t-1", approved=False)
    assert refused(writer, "t-2", "t-1") == "conflict"
    assert refused(writer, "t-2", "t-9") == "not_found"
    assert refused(writer, "t-2", "\ufffd") == "not_found"


def test_no_answer_goes_on_while_another_one_runs_in_its_conversation(answer, writer):
    """The page cannot bring this about: the claim of the conversation counts, whatever else has failed."""
    other = answer.conversation.message_set.create(uid="a2", role="assistant", status="running", parent=answer.parent)
    Conversation.objects.update(running=other)
    assert refused(writer, "t-1", "t-2") == "busy"


def test_what_was_allowed_and_left_behind_keeps_who_allowed_it(answer, writer):
    decided(writer, "t-1")
    before = ToolCall.objects.get(uid="t-1").decided_at
    stop_waiting(Conversation.objects.get(), "somebody else")
    assert states() == ["denied", "denied"]
    first, second = ToolCall.objects.order_by("pk")
    assert (first.decided_by, first.decided_at) == (ANN.key, before)
    assert second.decided_by == "somebody else"


@pytest.mark.parametrize("reason", ["status", "tip"])
def test_a_question_that_is_no_longer_shown_cannot_be_answered(answer, writer, reason):
    if reason == "status":
        Message.objects.filter(uid="a1").update(status="stopped")
    else:
        Conversation.objects.update(tip=answer.parent)
    assert refused(writer, "t-1") == "conflict"


@pytest.mark.parametrize("state", ["allowed", "running", "done", "failed", "unknown"])
def test_what_was_allowed_cannot_be_denied(answer, writer, state):
    ToolCall.objects.filter(uid="t-1").update(state=state)
    assert refused(writer, "t-1", approved=False) == "conflict"
    assert not decided(writer, "t-1").fresh
    assert states() == [state, "asked"]


@pytest.mark.parametrize("state", ["denied", "expired"])
def test_what_was_denied_cannot_be_allowed(answer, writer, state):
    ToolCall.objects.filter(uid="t-1").update(state=state)
    assert refused(writer, "t-1") == "conflict"
    assert not decided(writer, "t-1", approved=False).fresh
    assert states() == [state, "asked"]


def test_a_call_that_no_longer_fits_its_tool_fails_when_it_is_allowed(answer, writer):
    turn = decided(writer, "t-1", "t-2", unfit={"t-1": "There is no such tool."})
    assert (turn.fresh, states()) == (True, ["failed", "allowed"])
    assert ToolCall.objects.get(uid="t-1").error == "There is no such tool."


def test_an_answer_whose_process_died_after_the_decision_goes_on_once(answer, writer):
    ToolCall.objects.update(state="allowed")
    assert [found.uid for found in ready()] == ["a1"]
    turn = go_on(answer.pk, writer)
    assert (turn.fresh, status()) == (True, ("running", "p1", 1))
    assert ready() == []
    assert go_on(answer.pk, writer) is None
    assert status() == ("running", "p1", 1)


@pytest.mark.parametrize("change", ["asked", "stopped", "elsewhere", "deleted", "busy"])
def test_an_answer_does_not_go_on_by_itself_that_is_not_ready_any_more(answer, writer, change):
    ToolCall.objects.update(state="allowed")
    if change == "asked":
        ToolCall.objects.filter(uid="t-2").update(state="asked")
    elif change == "stopped":
        stop_waiting(Conversation.objects.get(), ANN.key)
    elif change == "elsewhere":
        Conversation.objects.update(tip=answer.parent)
    elif change == "deleted":
        Conversation.objects.update(deleted_at=timezone.now())
    else:
        other = answer.conversation.message_set.create(uid="a2", role="assistant", status="running")
        Conversation.objects.update(running=other)
    before = states(), status()
    assert go_on(answer.pk, writer) is None
    assert (states(), status()) == before


def test_stopping_denies_what_is_asked_and_what_has_not_begun(answer, writer):
    decided(writer, "t-1")
    stopped = stop_waiting(Conversation.objects.get(), ANN.key)
    assert (stopped.uid, states(), status()) == ("a1", ["denied", "denied"], ("stopped", None, 0))
    assert stop_waiting(Conversation.objects.get(), ANN.key) is None
