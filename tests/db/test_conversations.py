"""Actions of an owner on whole conversations."""

import pytest
from django.utils import timezone

from chat.db.conversations import delete, mark_read, own, rename
from chat.models import Conversation, Message
from chat.owners import Owner

pytestmark = pytest.mark.django_db
ANN = Owner("visitor:ann")


@pytest.fixture
def conversation():
    made = Conversation.objects.create(owner=ANN.key, uid="c1", updated_at=timezone.now(), unread=True)
    made.message_set.create(uid="a1", role="assistant", status="running")
    return made


def test_only_the_owners_own_conversations_are_found(conversation):
    assert own(ANN, "c1") == conversation
    assert own(ANN, "c2") is None
    assert own(Owner("visitor:bob"), "c1") is None


def test_a_rename_changes_nothing_but_the_title(conversation):
    rename(conversation, "New")
    changed = Conversation.objects.get()
    assert (changed.title, changed.updated_at) == ("New", conversation.updated_at)


def test_a_conversation_is_marked_read_only_once(conversation):
    assert mark_read(ANN, "c1")
    assert not mark_read(ANN, "c1")


def test_a_conversation_is_not_marked_read_while_its_answer_runs(conversation):
    Conversation.objects.update(running=Message.objects.get())
    assert not mark_read(ANN, "c1")
    assert Conversation.objects.get().unread


def test_conversations_are_deleted_with_running_answers_and_counted(conversation):
    Conversation.objects.update(running=Message.objects.get(), tip=Message.objects.get())
    assert delete(ANN.conversations) == 1
    assert delete(ANN.conversations) == 0
    assert not Message.objects.exists()
