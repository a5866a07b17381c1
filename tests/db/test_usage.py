"""The calls of models that were under way when their process died, and rows that are written more than once."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from chat.db.answers import End, Written, finish, interrupt, interrupt_with
from chat.db.calls import begin_calls
from chat.db.counters import Charge, Reserved, Rule
from chat.db.processes import register
from chat.db.usage import Calling, erase_user, reserve, store
from chat.endings import COMPLETE
from chat.limits import Limit
from chat.managers import keep_without_user
from chat.models import Conversation, Counter, Message, Process, ToolCall, Usage
from chat.parts import TextPart
from tests.conftest import chat_settings

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

PRICES = {"currency": "EUR", "models": {"m": {"input": "2", "output": "10"}}}
CALLING = {"backend": "default", "step": 0, "input": 50}


@pytest.fixture(autouse=True)
def prices(settings):
    settings.CHAT = chat_settings(PRICES=PRICES)


@pytest.fixture
def answer(database):
    """A running answer of the process ``p``, eight characters long."""
    now = timezone.now()
    Process.objects.create(id="p", host="h", pid=1, started_at=now, heartbeat_at=now)
    made = Conversation.objects.create(owner="visitor:ann", uid="c1", updated_at=now, assistant="support")
    given = {"status": "running", "model": "m", "process_id": "p", "calling": CALLING}
    parts = [{"type": "text", "text": "x" * 8}]
    answer = made.message_set.create(uid="a1", role="assistant", parts=parts, text="x" * 8, **given)
    Conversation.objects.update(running=answer, tip=answer)
    return answer


def row(answer, **given):
    given = {"step": 0, "attempt": 0, "input_tokens": 7, "output_tokens": 3, "started_at": timezone.now(), **given}
    return Usage(message_id=answer.pk, owner="visitor:ann", assistant="support", model="m", source="exact", **given)


def stored():
    return list(Usage.objects.order_by("pk"))


ENDS = {
    "by a heartbeat": lambda answer: interrupt([answer.pk]),
    "by another process": lambda answer: interrupt_with(Written(answer.pk, ())),
    "by its successor": lambda answer: register("q", alone=True),
}


@pytest.mark.parametrize("end", ENDS)
def test_the_call_of_a_dead_process_is_estimated_once(answer, end):
    ENDS[end](answer)
    (found,) = stored()
    assert (found.source, found.outcome) == ("estimated", "interrupted")
    assert found.tokens == (50, None, 2, None)
    assert found.cost == Decimal("0.00012")
    assert (found.backend, found.model, found.assistant, found.owner) == ("default", "m", "support", "visitor:ann")
    assert (found.message_id, found.started_at) == (answer.pk, answer.created_at)
    answer.refresh_from_db()
    assert answer.calling is None
    ENDS[end](answer)
    assert len(stored()) == 1


def test_the_text_of_the_stream_counts_if_it_is_longer(answer):
    interrupt_with(Written(answer.pk, (TextPart("x" * 40),)))
    (found,) = stored()
    assert found.output_tokens == 10


def test_the_text_that_was_continued_does_not_count(answer):
    Message.objects.filter(pk=answer.pk).update(calling={**CALLING, "begun": 1})
    interrupt([answer.pk])
    (found,) = stored()
    assert found.output_tokens == 1


def test_a_button_that_wants_no_answer_has_no_call(answer):
    Message.objects.filter(pk=answer.pk).update(calling=None)
    interrupt([answer.pk])
    assert stored() == []


def call(answer, **given):
    given = {"name": "orders", "uid": "t-1", "step": 0, "state": "done", "output": "y" * 12, **given}
    return ToolCall.objects.create(message=answer, **given)


@pytest.mark.parametrize("state", ["running", "asked", "allowed"])
def test_while_a_tool_is_under_way_no_model_is_called(answer, state):
    call(answer, state=state, output=None)
    Message.objects.filter(pk=answer.pk).update(calling={**CALLING, "step": 1})
    interrupt([answer.pk])
    assert stored() == []


def test_a_call_after_a_step_has_read_the_results_of_its_tools(answer):
    ended = timezone.now()
    call(answer, ended_at=ended)
    parts = [*answer.parts, {"type": "tool", "call": "t-1"}, {"type": "text", "text": "z" * 4}]
    Message.objects.filter(pk=answer.pk).update(calling={**CALLING, "step": 1}, parts=parts, has_calls=True)
    interrupt([answer.pk])
    (found,) = stored()
    assert (found.step, found.tokens) == (1, (50 + 3, None, 1, None))
    assert found.started_at == ended


def written(answer):
    return Written(answer.pk, (TextPart("Whole."),))


def test_the_end_of_an_answer_writes_its_calls_once(answer):
    end = End(COMPLETE, None, (row(answer),))
    assert finish("p", written(answer), end)
    assert finish("p", written(answer), end), "the same again, as after a lost acknowledgement"
    (found,) = stored()
    assert (found.tokens.total, found.source) == (10, "exact")


def test_several_calls_are_written_with_the_end(answer):
    assert finish("p", written(answer), End(COMPLETE, None, (row(answer), row(answer, attempt=1))))
    assert [found.attempt for found in stored()] == [0, 1]


def test_a_process_that_has_lost_an_answer_writes_no_call(answer):
    interrupt_with(Written(answer.pk, ()))
    assert not finish("p", written(answer), End(COMPLETE, None, (row(answer, step=5),)))
    (found,) = stored()
    assert found.source == "estimated"


def test_the_calls_of_a_deleted_answer_are_written_without_it(answer):
    Conversation.objects.all().delete()
    assert not finish("p", written(answer), End(COMPLETE, None, (row(answer, user_id=12345),)))
    (found,) = stored()
    assert (found.message_id, found.user_id, found.owner, found.tokens.total) == (None, None, "", 10)


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("owner", ["visitor:ann", "user", "unkept", "server"])
def test_the_calls_of_a_deleted_answer_name_their_owner_if_something_else_is_left(
    answer, django_user_model, owner, left
):
    user = None if owner in ("visitor:ann", "server") else django_user_model.objects.create_user("ada")
    key = f"user:{user.pk}" if owner == "user" else owner
    Conversation.objects.all().delete()
    if left:
        kept = f"user:{user.pk}" if user else key
        Conversation.objects.create(owner=kept, user_id=user and user.pk, uid="c9", updated_at=timezone.now())
    call = row(answer, user_id=user and user.pk)
    call.owner = key
    assert not finish("p", written(answer), End(COMPLETE, None, (call,)))
    (found,) = stored()
    named = (key, user and user.pk) if left or owner == "server" else ("", None)
    assert (found.owner, found.user_id) == named


def test_the_calls_of_a_step_are_written_once_with_those_of_its_tools(answer):
    calls = [ToolCall(message_id=answer.pk, uid="t-1", step=0, name="orders", state="running")]
    for _ in range(2):
        assert begin_calls("p", answer.pk, {"calling": {**CALLING, "step": 1}}, calls, [row(answer)])
    assert len(stored()) == 1
    assert not begin_calls("another", answer.pk, {}, calls, [row(answer, step=1)])
    assert len(stored()) == 1


def test_a_row_that_is_there_stays(answer):
    store([row(answer)])
    store([row(answer, input_tokens=99)])
    (found,) = stored()
    assert found.input_tokens == 7


def test_the_rows_of_a_user_in_another_database_lose_the_user(answer, django_user_model):
    ada = django_user_model.objects.create_user("ada")
    Usage.objects.create(started_at=timezone.now(), owner=f"user:{ada.pk}", assistant="a", step=9)
    Usage.objects.update(user=ada.pk)
    keep_without_user(None, Usage._meta.get_field("user"), None, "of the users")  # changes nothing there
    assert Usage.objects.get().user_id == ada.pk
    erase_user(ada.pk)
    assert (Usage.objects.get().user_id, Usage.objects.get().owner) == (None, "")


def test_a_reservation_whose_acknowledgement_was_lost_is_not_taken_again(answer):
    Counter.objects.all().delete()
    rule = Rule("t", "tokens", Limit(100, "day"))
    charges = [Charge(Reserved("t", "tokens", 5), 95, timezone.now() + timedelta(days=1), rule)]
    call = Calling("default", 1, 5, reserved=tuple(each.reserved for each in charges))
    for _ in range(2):
        assert reserve("p", answer.pk, call, charges)
    assert Counter.objects.get().used == 5
    assert not reserve("another", answer.pk, call, charges)
    interrupt([answer.pk])
    assert Counter.objects.get().used == Usage.objects.get().tokens.total
