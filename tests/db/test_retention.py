"""What is kept no longer, and how it is removed, on SQLite and on a real PostgreSQL."""

from datetime import timedelta

import pytest
from django.db import OperationalError
from django.db.models.signals import post_delete
from django.utils import timezone

from chat.db import retention
from chat.db.retention import outlived, removable, remove, unfinished
from chat.db.shares import share
from chat.db.turns import ask
from chat.db.values import Ask, Writer
from chat.models import Conversation, Feedback, Message, Process, Share, ToolCall
from chat.owners import Owner, key_of
from tests.conftest import chat_settings
from tests.db.test_deletion import in_threads

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
ANN = Owner("visitor:ann")


@pytest.fixture(autouse=True)
def kept_for_a_month(database, settings):
    settings.CHAT = chat_settings(RETENTION={"anonymous": "30 days"})


def stored(uid="c1", owner="visitor:ann", days=31, status="complete", **fields):
    """Store a conversation of a question and its answer, last used this many days ago."""
    at = timezone.now() - timedelta(days=days)
    made = Conversation.objects.create(owner=owner, uid=uid, title="Sky", updated_at=at, **fields)
    question = made.message_set.create(uid="m1", role="user", text="Why?")
    answer = made.message_set.create(uid="a1", role="assistant", parent=question, text="So.", status=status)
    running = answer if status == "running" else None
    Conversation.objects.filter(pk=made.pk).update(tip=answer, running=running)
    return made


def left():
    return sorted(Conversation.objects.values_list("uid", flat=True))


def test_what_was_used_longer_ago_is_removed_with_all_that_belongs_to_it():
    old = stored("old")
    answer = old.message_set.get(role="assistant")
    Feedback.objects.create(message=answer, value=-1, comment="No")
    ToolCall.objects.create(message=answer, uid="t1", step=0, name="orders")
    old.refresh_from_db()
    assert share(old) is not None
    stored("new", days=29)
    assert list(remove("anonymous")) == [1]
    assert left() == ["new"]
    assert (Message.objects.count(), ToolCall.objects.count(), Feedback.objects.count(), Share.objects.count()) == (
        *(2, 0, 0, 0),
    )


def test_each_kind_of_owner_has_a_time_of_its_own(settings):
    stored("visitor's", days=31)
    stored("user's", owner=key_of(7), days=31)
    stored("user's with a long key", owner=key_of("k" * 100), days=31)
    assert list(remove("user")) == []
    assert list(remove("anonymous")) == [1]
    settings.CHAT = chat_settings(RETENTION={"user": timedelta(days=30)})
    assert list(remove("anonymous")) == []
    assert list(remove("user")) == [2]


@pytest.mark.parametrize("status", ["running", "waiting"])
def test_an_answer_that_runs_or_waits_is_left_alone_until_it_has_ended(status):
    stored(status=status)
    assert list(remove("anonymous")) == []
    assert (unfinished("anonymous").count(), outlived("anonymous").count()) == (1, 1)
    assert Message.objects.get(role="assistant").status == status
    assert not Message.objects.filter(stopping=True).exists()
    Message.objects.update(status="stopped")
    assert list(remove("anonymous")) == [1]


def test_pinned_and_hidden_conversations_are_removed_too():
    stored("pinned", pinned=True)
    stored("hidden", deleted_at=timezone.now())
    assert list(remove("anonymous")) == [2]


def test_many_are_removed_in_batches_and_by_several_processes_once(monkeypatch):
    monkeypatch.setattr(retention, "BATCH", 5)
    for number in range(23):
        stored(f"c{number}")
    counts = in_threads(*[lambda: sum(remove("anonymous"))] * 3)
    assert sum(counts) == 23
    assert left() == []


def test_a_conversation_that_is_used_meanwhile_stays(monkeypatch):
    stored("c1"), stored("c2")
    Process.objects.create(id="p1", pid=1, started_at=timezone.now(), heartbeat_at=timezone.now())
    delete = retention.delete

    def late(conversations):
        ask(Ask(ANN, "c1", "m2", "And the sea?"), Writer("p1", "model", 1_000))
        monkeypatch.setattr(retention, "delete", delete)
        return delete(conversations)

    monkeypatch.setattr(retention, "delete", late)
    assert list(remove("anonymous")) == [1]
    assert left() == ["c1"]
    assert Message.objects.filter(status="running", stopping=False).exists()


def test_one_that_cannot_be_removed_keeps_no_other_and_ends_nothing(monkeypatch, caplog):
    def refuse(instance, **_):
        if instance.uid == "c2":
            raise LookupError("the site's own receiver fails")

    monkeypatch.setattr(retention, "BATCH", 2)
    for uid in ("c1", "c2", "c3"):
        stored(uid)
    post_delete.connect(refuse, sender=Conversation)
    try:
        assert list(remove("anonymous")) == [1, 1]
    finally:
        post_delete.disconnect(refuse, sender=Conversation)
    assert left() == ["c2"]
    assert caplog.text.count("could not be removed") == 1


def test_a_database_that_fails_ends_the_removal(monkeypatch):
    def fail(conversations):
        raise OperationalError("database is locked")

    stored("c1"), stored("c2")
    monkeypatch.setattr(retention, "delete", fail)
    with pytest.raises(OperationalError):
        list(remove("anonymous"))
    assert removable("anonymous").count() == 2
