"""Deletions that can be undone, on SQLite and on a real PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections
from django.db.models.signals import post_delete
from django.utils import timezone

from chat.db.deletion import expired, hide, purge, restore, undoable
from chat.db.search import search
from chat.db.turns import ask
from chat.db.values import Ask, Writer
from chat.errors import Refusal
from chat.events import Event
from chat.managers import ConversationQuerySet
from chat.models import Conversation, Message, Process
from chat.owners import Owner
from tests.conftest import chat_settings

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
ANN, BOB = Owner("visitor:ann"), Owner("visitor:bob")


@pytest.fixture(autouse=True)
def undoable_for_ten_seconds(database, settings):
    settings.CHAT = chat_settings(UNDO_PERIOD=10.0)


def stored(uid="c1", owner=ANN, **fields):
    made = Conversation.objects.create(owner=owner.key, uid=uid, title="Sky", updated_at=timezone.now(), **fields)
    made.message_set.create(uid="m1", role="user", text="Why is the sky blue?")
    return made


def uids(owner=ANN):
    return sorted(owner.conversations.values_list("uid", flat=True))


def deleted(*wanted):
    return hide(ANN, ANN.conversations.filter(uid__in=wanted))


def later():
    """The time in which deletions can be undone is over."""
    Conversation.objects.exclude(deleted_at=None).update(deleted_at=timezone.now() - timedelta(seconds=11))


def in_threads(*steps):
    """Run steps at once, each on a thread and a connection of its own; return what they return."""

    def step(action):
        try:
            return action()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(steps)) as threads:
        return list(threads.map(step, steps))


def test_a_deleted_conversation_is_found_nowhere_and_others_stay():
    stored("c1"), stored("c2"), stored("c1", BOB)
    assert [conversation.uid for conversation in deleted("c1")] == ["c1"]
    assert uids() == ["c2"]
    assert uids(BOB) == ["c1"]
    assert [hit.conversation.uid for hit in search(ANN, "sky").hits] == ["c2"]
    assert deleted("c1") == []


def test_a_deletion_is_undone_as_if_it_had_not_been():
    stored(pinned=True, unread=True)
    before = Conversation.objects.values().get()
    deleted("c1")
    undo = undoable(ANN)
    assert (undo.count, undoable(BOB)) == (1, None)
    assert 9 < undo.left <= 10
    assert restore(BOB, undo.at.isoformat()) == []
    assert [conversation.uid for conversation in restore(ANN, undo.at.isoformat())] == ["c1"]
    assert Conversation.objects.values().get() == before
    assert undoable(ANN) is None
    assert restore(ANN, undo.at.isoformat()) == []


def test_a_conversation_that_waits_for_its_owner_still_says_so_when_it_is_back():
    Conversation.objects.update(tip=stored().message_set.create(uid="a1", role="assistant", status="waiting"))
    deleted("c1")
    (restored,) = restore(ANN, undoable(ANN).at.isoformat())
    assert Event.restored(restored).waiting


def test_only_the_last_deletion_is_undone_with_all_its_conversations():
    stored("c1"), stored("c2"), stored("c3")
    deleted("c1")
    deleted("c2", "c3")
    undo = undoable(ANN)
    assert undo.count == 2
    restore(ANN, undo.at.isoformat())
    assert uids() == ["c2", "c3"]
    assert undoable(ANN).count == 1


def test_rows_are_removed_once_a_deletion_cannot_be_undone():
    stored("c1"), stored("c2")
    deleted("c1")
    assert purge() == 0
    later()
    assert undoable(ANN) is None
    assert purge() == 1
    assert list(Message.objects.values_list("conversation__uid", flat=True)) == ["c2"]


def test_a_message_into_a_deleted_conversation_is_refused_until_its_id_is_free():
    stored()
    deleted("c1")
    Process.objects.get_or_create(
        id="p1", defaults={"pid": 1, "started_at": timezone.now(), "heartbeat_at": timezone.now()}
    )
    request, writer = Ask(ANN, "c1", "m2", "And the sea?"), Writer("p1", "model", 1_000)
    with pytest.raises(Refusal) as refusal:
        ask(request, writer)
    assert refusal.value.code == "gone"
    assert list(Message.objects.values_list("text", flat=True)) == ["Why is the sky blue?"]
    later()
    purge()
    turn = ask(request, writer)
    assert turn.history == [{"role": "user", "content": "And the sea?"}]
    assert uids() == ["c1"]


def test_what_a_heartbeat_looks_for_is_found_by_indexes_among_many_conversations(database):
    now = timezone.now()
    made = [Conversation(owner=f"visitor:{number // 5}", uid=f"c{number}", updated_at=now) for number in range(5_000)]
    Conversation.objects.bulk_create(made)
    stored("c-unkept", Owner("unkept"))
    if connections[database].vendor == "postgresql":  # does it by itself; SQLite plans without statistics
        with connections[database].cursor() as cursor:
            cursor.execute("ANALYZE")
    plan = expired().explain()
    assert [found.uid for found in expired()] == ["c-unkept"]
    assert "Seq Scan on llm_chat_conversation" not in plan and "SCAN llm_chat_conversation" not in plan
    assert "running_id" not in plan  # nearly all conversations are in the part of that index where it is NULL


def test_several_processes_remove_each_conversation_once():
    for number in range(12):
        stored(f"c{number}")
    deleted(*(f"c{number}" for number in range(12)))
    later()
    assert sum(in_threads(*[purge] * 4)) == 12
    assert not Message.objects.exists()


@pytest.mark.parametrize("_round", range(5))
def test_an_undo_at_the_last_moment_brings_everything_back_or_nothing(_round):
    stored()
    deleted("c1")
    later()
    at = Conversation.objects.get().deleted_at
    _, restored, _ = in_threads(purge, lambda: restore(ANN, at.isoformat()), purge)
    assert Message.objects.count() == len(restored) == len(uids())


def test_a_conversation_that_cannot_be_removed_holds_up_no_other(caplog):
    def refuse(instance, **_):
        if instance.uid == "c1":
            raise LookupError("the site's own receiver fails")

    stored("c1")
    stored("c2")
    deleted("c1", "c2")
    later()
    post_delete.connect(refuse, sender=Conversation)
    try:
        assert purge() == 1
    finally:
        post_delete.disconnect(refuse, sender=Conversation)
    assert Conversation.objects.get().uid == "c1"
    assert "could not be removed" in caplog.text
    assert purge() == 1


def test_conversations_that_begin_during_a_deletion_of_all_are_deleted_with_them(monkeypatch):
    stored("c1")
    update = ConversationQuerySet.update

    def late(conversations, **values):
        if values.get("deleted_at"):
            stored("c2")
        return update(conversations, **values)

    monkeypatch.setattr(ConversationQuerySet, "update", late)
    assert sorted(found.uid for found in hide(ANN, ANN.conversations)) == ["c1", "c2"]
