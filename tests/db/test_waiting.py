"""Decisions about calls, and what ends the wait for them, at the same time."""

import threading

import pytest
from django.db import connections, transaction
from django.db.models import F
from django.utils import timezone

from chat.db.decisions import Decide, Decision, decide, stop_waiting
from chat.db.processes import register
from chat.db.values import Writer
from chat.models import Conversation, Message, ToolCall
from chat.owners import Owner

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

ANN = Owner("visitor:ann")
WRITER = Writer("p1", "scripted", 10_000)


@pytest.fixture
def waiting(database):
    """Store a conversation whose answer waits for a decision, and return it."""
    register("p1", alone=True)
    made = Conversation.objects.create(owner=ANN.key, uid="c1", updated_at=timezone.now())
    asked = made.message_set.create(uid="q1", role="user", text="Cancel it")
    parts = [{"type": "tool", "call": "t-1"}]
    made.tip = made.message_set.create(
        uid="a1", role="assistant", status="waiting", parent=asked, parts=parts, has_calls=True
    )
    made.save()
    made.tip.tool_calls.create(uid="t-1", step=0, name="cancel", state="asked", question="Cancel it?")
    return made


def test_a_stop_waits_for_a_decision_that_is_being_stored(waiting, database):
    stopped, done = [], threading.Event()

    def stop():
        stopped.append(stop_waiting(waiting, ANN.key))
        connections[database].close()
        done.set()

    stopping = threading.Thread(target=stop)
    with transaction.atomic(using=database):
        Conversation.objects.filter(pk=waiting.pk).update(tip=F("tip"))  # as each decision begins
        stopping.start()
        assert not done.wait(0.3)
        decide(Decide(ANN, "c1", [Decision("t-1", True)]), WRITER)
    stopping.join(10)
    assert stopped == [None]
    assert (Message.objects.get(uid="a1").status, ToolCall.objects.get().state) == ("running", "allowed")


def test_a_decision_after_a_stop_is_refused(waiting):
    assert stop_waiting(waiting, ANN.key).status == "stopped"
    call = ToolCall.objects.get()
    assert (call.state, call.decided_by) == ("denied", ANN.key)
