"""The history that a model reads, whatever was asked, edited or continued, and however the answers ended."""

import itertools

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat.db.answers import End, Written, finish
from chat.db.branches import select
from chat.db.history import GO_ON, history
from chat.db.known_turns import regenerate
from chat.db.turns import ask
from chat.db.values import Ask, Regenerate, Writer
from chat.endings import ENDINGS, failed
from chat.errors import Refusal
from chat.models import Conversation, Message, Process
from chat.owners import Owner
from chat.parts import ReasoningPart, TextPart
from tests.support.branches import grow

pytestmark = pytest.mark.django_db
ANN = Owner("visitor:ann")

texts = st.sampled_from(["", " ", "\n\n", "text", "a longer text " * 20])
steps = st.one_of(
    st.tuples(st.just("ask"), st.sampled_from(["short?", "longer? " * 20])),
    st.tuples(st.just("edit"), st.integers(0, 20)),
    st.tuples(st.just("retry"), st.integers(0, 20)),
    st.tuples(st.just("continue"), st.integers(0, 20)),
    st.tuples(st.just("select"), st.integers(0, 20)),
)
endings = st.tuples(st.sampled_from((*ENDINGS, failed("timeout"))), texts, st.booleans())


def assert_alternates(turns, *, prefills):
    """Check that questions and answers alternate, and end in a question unless continued."""
    assert all(turn["role"] == role for turn, role in zip(turns, itertools.cycle(["user", "assistant"]), strict=False))
    assert turns
    assert turns[-1]["role"] == "user" or prefills
    assert all(turn["content"].strip() for turn in turns)


class Chat:
    """One conversation, and the steps that change it."""

    def __init__(self, writer):
        self.writer = writer
        self.uid = f"c{Message.objects.count()}"
        self.sent = 0

    def messages(self, role):
        return list(Message.objects.filter(conversation__uid=self.uid, role=role).order_by("pk"))

    def do(self, kind, what):
        """Do one step, and return its turn; ``None`` if the step begins none."""
        self.sent += 1
        answers, questions = self.messages("assistant"), self.messages("user")
        if kind == "ask":
            return ask(Ask(ANN, self.uid, f"m{self.sent}", what), self.writer)
        if not answers:
            return None
        answer = answers[what % len(answers)]
        if kind == "edit":
            question = questions[what % len(questions)]
            return ask(Ask(ANN, self.uid, question.uid, f"edited {self.sent}", edits=True), self.writer)
        if kind == "select":
            select(ANN, self.uid, answer.uid)
            return None
        return regenerate(Regenerate(ANN, self.uid, answer.uid, None, continues=kind == "continue"), self.writer)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    prefills=st.booleans(),
    budget=st.sampled_from([1, 50, 500, 200_000]),
    turns=st.lists(st.tuples(steps, endings), min_size=1, max_size=8),
)
def test_b13_the_history_alternates_whatever_happened(process, prefills, budget, turns):
    chat = Chat(Writer(process, "m", budget, prefills))
    for (kind, what), (ending, text, thought) in turns:
        try:
            with transaction.atomic():
                turn = chat.do(kind, what)
        except Refusal:
            continue
        if turn is None or not turn.fresh:
            continue
        assert_alternates(turn.history, prefills=prefills and kind == "continue")
        if kind == "continue" and turn.history[-1]["role"] == "user" and turn.history[-1]["content"] == GO_ON:
            assert turn.answer.text.strip()
        parts = (*((ReasoningPart("hm"),) if thought else ()), *((TextPart(text),) if text else ()))
        assert finish(process, Written(turn.answer.pk, parts), End(ending))


@pytest.fixture
def process(script):
    now = timezone.now()
    return Process.objects.create(id="p1", host="here", pid=1, started_at=now, heartbeat_at=now).pk


@pytest.fixture
def conversation():
    return Conversation.objects.create(owner="visitor:ann", uid="c1", updated_at=timezone.now())


def contents(turns):
    return [turn["content"] for turn in turns]


def test_the_history_is_the_branch_of_its_last_message(conversation):
    answer = grow(conversation, "one", "uno", "two", "dos")
    grow(conversation, "drei", "trois", parent=answer)
    last = grow(conversation, "three", parent=answer)
    assert contents(history(conversation, last.pk, 1000)) == ["one", "uno", "two", "dos", "three"]


def test_the_oldest_turns_are_left_out_and_no_message_is_cut(conversation):
    last = grow(conversation, "one" * 10, "uno" * 10, "two", "dos", "three")
    assert contents(history(conversation, last.pk, 11)) == ["two", "dos", "three"]
    assert contents(history(conversation, last.pk, 10)) == ["three"]
    assert contents(history(conversation, last.pk, 41)) == ["two", "dos", "three"]


def test_the_newest_message_is_sent_whatever_its_length(conversation):
    assert contents(history(conversation, grow(conversation, "x" * 100).pk, 10)) == ["x" * 100]


@pytest.mark.parametrize("empty", ["", " ", "\n\n"])
def test_b13_the_question_of_an_answer_without_text_is_joined_to_the_next_one(conversation, empty):
    last = grow(conversation, "one", empty, "two", empty, "three", "tres", "four")
    assert history(conversation, last.pk, 100) == [
        {"role": "user", "content": "one\n\ntwo\n\nthree"},
        {"role": "assistant", "content": "tres"},
        {"role": "user", "content": "four"},
    ]


def test_b13_an_answer_that_is_continued_keeps_its_question_whatever_their_length(conversation):
    last = grow(conversation, "one", "uno", "two", "x" * 100)
    assert contents(history(conversation, last.pk, 10)) == ["two", "x" * 100]


def test_b13_a_history_never_begins_with_an_answer(conversation):
    last = grow(conversation, "", "uno", "two")
    assert contents(history(conversation, last.pk, 100)) == ["two"]
