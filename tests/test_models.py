"""Whose conversations they are, and what a model reads of one."""

import itertools

import pytest
from django.utils import timezone

from chat.models import Conversation, Message
from chat.owners import Owner

pytestmark = pytest.mark.django_db


@pytest.fixture
def conversation():
    return Conversation.objects.create(owner="visitor:ann", uid="c1", updated_at=timezone.now())


def grow(conversation, *texts, parent=None):
    """Questions and answers in turn, each the child of the one before; returns the last."""
    for index, text in enumerate(texts):
        role = "user" if index % 2 == 0 else "assistant"
        uid = f"m{Message.objects.count()}"
        parent = conversation.message_set.create(uid=uid, role=role, text=text, parent=parent)
    return parent


def texts(turns):
    return [turn["content"] for turn in turns]


def test_only_the_owners_conversations_are_found(conversation):
    assert Conversation.objects.of(Owner("visitor:ann")).get() == conversation
    assert not Conversation.objects.of(Owner("visitor:bob")).exists()


def test_the_history_is_the_branch_of_its_last_message(conversation):
    answer = grow(conversation, "one", "uno", "two", "dos")
    grow(conversation, "drei", "trois", parent=answer)
    last = grow(conversation, "three", parent=answer)
    assert texts(conversation.history(last.pk, 1000)) == ["one", "uno", "two", "dos", "three"]


def test_the_oldest_turns_are_left_out_and_no_message_is_cut(conversation):
    last = grow(conversation, "one" * 10, "uno" * 10, "two", "dos", "three")
    assert texts(conversation.history(last.pk, 11)) == ["two", "dos", "three"]
    assert texts(conversation.history(last.pk, 10)) == ["three"]
    assert texts(conversation.history(last.pk, 41)) == ["two", "dos", "three"]


def test_the_newest_message_is_sent_whatever_its_length(conversation):
    assert texts(conversation.history(grow(conversation, "x" * 100).pk, 10)) == ["x" * 100]


@pytest.mark.parametrize("empty", ["", " ", "\n\n"])
def test_b13_the_question_of_an_answer_without_text_is_joined_to_the_next_one(conversation, empty):
    last = grow(conversation, "one", empty, "two", empty, "three", "tres", "four")
    assert conversation.history(last.pk, 100) == [
        {"role": "user", "content": "one\n\ntwo\n\nthree"},
        {"role": "assistant", "content": "tres"},
        {"role": "user", "content": "four"},
    ]


def test_b13_an_answer_that_is_continued_keeps_its_question_whatever_their_length(conversation):
    last = grow(conversation, "one", "uno", "two", "x" * 100)
    assert texts(conversation.history(last.pk, 10)) == ["two", "x" * 100]


def test_b13_a_history_never_begins_with_an_answer(conversation):
    last = grow(conversation, "", "uno", "two")
    assert texts(conversation.history(last.pk, 100)) == ["two"]


def test_the_lineage_of_a_message_goes_up_to_the_first(conversation):
    question = grow(conversation, "one", "uno", "two")
    grow(conversation, "zwei", parent=question)
    last = grow(conversation, "three", parent=question)
    found = list(conversation.lineage(last.pk))
    assert found == [
        (last.pk, question.pk),
        (question.pk, question.parent_id),
        *list(conversation.lineage(question.parent_id)),
    ]
    assert len(found) == 4
    assert list(conversation.lineage(None)) == []


def test_the_lineage_is_read_as_far_as_one_goes(conversation, django_assert_num_queries, monkeypatch):
    monkeypatch.setattr("chat.models.SLICE", 4)
    last = grow(conversation, *("text" for _ in range(20)))
    with django_assert_num_queries(2):
        found = list(itertools.islice(conversation.lineage(last.pk), 8))
    assert len(found) == 8
    with django_assert_num_queries(5):
        assert len(list(conversation.lineage(last.pk))) == 20


def test_the_lineage_ends_where_a_message_is_gone(conversation):
    last = grow(conversation, "one", "uno")
    Message.objects.filter(pk=last.pk).delete()
    assert list(conversation.lineage(last.pk)) == []


def test_the_newest_branch_under_a_message_is_that_of_its_newest_descendant(conversation):
    first = grow(conversation, "one")
    older = grow(conversation, "uno", parent=first)
    newer = grow(conversation, "eins", parent=first)
    last = grow(conversation, "two", parent=older)
    assert conversation.newest_under(first.pk) == conversation.newest_under(older.pk) == last.pk
    assert conversation.newest_under(newer.pk) == newer.pk
