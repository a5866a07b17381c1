"""A new question is stored by few statements of its own, and like the ORM stores it."""

import pytest
from django.db import connection
from django.db.models.signals import post_save
from django.test.utils import CaptureQueriesContext

from chat.db.answers import End, Written, finish
from chat.db.turns import KnownError, _ask_new, ask
from chat.db.values import Ask, Writer
from chat.endings import COMPLETE
from chat.errors import Refusal
from chat.models import Conversation, Message, Process
from chat.owners import Owner
from chat.parts import TextPart

pytestmark = pytest.mark.django_db(transaction=True)
ANN = Owner("visitor:ann")
LATER = "2026-01-01T00:00:00Z"


@pytest.fixture
def writer():
    Process.objects.create(id="p", host="h", pid=1, started_at=LATER, heartbeat_at=LATER)
    return Writer("p", "model", 1_000)


def asked(number, *, uid="c1", text=None, **more):
    return Ask(ANN, uid, f"m{number}", text or f"question {number}", whole=True, **more)


def answered(turn, text="an answer"):
    finish("p", Written(turn.answer.pk, (TextPart(text),)), End(COMPLETE))


def shown(turn):
    """Return all that a page and a model get of a turn, without the random id of its answer."""
    view = [(m.uid, m.role, m.status, m.text, m.parts, m.siblings, m.parent_id is None) for m in turn.shown.messages]
    answer = view.pop()
    first = turn.shown.after
    return view, answer[1:5], len(answer[5]), bool(first), turn.history, turn.fresh, turn.conversation.title


def both_ways(steps, writer):
    """Return what comes of the steps by the statements of ``turns``, and by the ORM alone."""
    quick = steps("quick", writer)
    receiver = lambda **_: None  # noqa: E731
    post_save.connect(receiver, sender=Message)
    try:
        with pytest.raises(KnownError):
            _ask_new(asked(1, uid="other"), writer)
        return quick, steps("slow", writer)
    finally:
        post_save.disconnect(receiver, sender=Message)


def three_turns(uid, writer):
    result = []
    for number in range(3):
        turn = ask(asked(number, uid=uid), writer)
        answered(turn)
        result.append(shown(turn))
    return result


def beside_a_later_branch(uid, writer):
    """Ask below an answer that has a question already: the tip was turned back."""
    first = ask(asked(0, uid=uid), writer)
    answered(first)
    answered(ask(asked(1, uid=uid), writer))
    Conversation.objects.filter(uid=uid).update(tip=first.answer.pk)
    return shown(ask(asked(2, uid=uid), writer))


@pytest.mark.parametrize("steps", [three_turns, beside_a_later_branch])
def test_a_turn_is_the_same_as_by_the_orm(steps, writer):
    quick, slow = both_ways(steps, writer)
    assert quick == slow


@pytest.mark.parametrize("budget", [0, 10, 12, 30, 40, 1_000])
def test_the_history_is_as_long_as_by_the_orm(budget, writer):
    quick, slow = both_ways(three_turns, Writer("p", "model", budget))
    assert quick == slow


def test_every_column_is_as_the_orm_writes_it(writer):
    def columns(uid, writer):
        ask(asked(0, uid=uid), writer)
        rows = Message.objects.filter(conversation__uid=uid).order_by("pk")
        ignored = {"id", "uid", "parent_id", "conversation_id", "created_at"}
        return [{name: value for name, value in row.items() if name not in ignored} for row in rows.values()]

    quick, slow = both_ways(columns, writer)
    assert quick == slow


def test_the_turn_holds_what_the_database_holds(writer):
    turn = ask(asked(0), writer)
    stored = Conversation.objects.get()
    assert turn.conversation == stored
    assert (stored.tip_id, stored.running_id) == (turn.answer.pk, turn.answer.pk)
    for field in Conversation._meta.concrete_fields:
        assert getattr(turn.conversation, field.attname) == getattr(stored, field.attname), field.name
    assert Message.objects.get(pk=turn.question.pk).created_at == turn.question.created_at


def test_a_repeated_question_is_found_and_nothing_changes(writer):
    first = ask(asked(0), writer)
    before = list(Conversation.objects.values())
    again = ask(asked(0), writer)
    assert (again.fresh, again.answer) == (False, first.answer)
    assert Message.objects.count() == 2
    assert {**before[0], "updated_at": 0} == {**Conversation.objects.values()[0], "updated_at": 0}


def test_a_question_during_an_answer_is_refused_and_changes_nothing(writer):
    ask(asked(0), writer)
    with pytest.raises(Refusal, match="already running"):
        ask(asked(1), writer)
    assert Message.objects.count() == 2


def test_a_site_that_watches_saves_gets_its_signals(writer):
    saved = []
    receiver = lambda instance, **_: saved.append(instance.role)  # noqa: E731
    post_save.connect(receiver, sender=Message)
    try:
        ask(asked(0), writer)
    finally:
        post_save.disconnect(receiver, sender=Message)
    assert saved == ["user", "assistant"]


def test_a_new_turn_takes_few_statements(writer):
    answered(ask(asked(0), writer))
    with CaptureQueriesContext(connection) as queries:
        ask(asked(1), writer)
    assert len([q for q in queries if not q["sql"].startswith(("BEGIN", "COMMIT"))]) == 5
