"""Conversations by owner, and the lineage of messages."""

import itertools

import pytest
from django.utils import timezone

from chat.models import Conversation, Message
from chat.owners import Owner
from tests.support.branches import grow

pytestmark = pytest.mark.django_db


@pytest.fixture
def conversation():
    return Conversation.objects.create(owner="visitor:ann", uid="c1", updated_at=timezone.now())


def test_only_the_owners_conversations_are_found(conversation):
    assert Owner("visitor:ann").conversations.get() == conversation
    assert not Owner("visitor:bob").conversations.exists()


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


def test_the_lineage_is_read_only_as_far_as_it_is_iterated(conversation, django_assert_num_queries, monkeypatch):
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
