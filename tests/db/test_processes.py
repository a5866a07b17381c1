"""Heartbeats and what they find, on SQLite and on a real PostgreSQL."""

from datetime import timedelta

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat.db.answers import Written
from chat.db.deletion import hide
from chat.db.processes import register, update_heartbeat
from chat.db.turns import ask
from chat.db.values import Ask, Writer
from chat.models import Conversation, Message, Process
from chat.owners import Owner
from chat.parts import TextPart
from tests.conftest import chat_settings

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
ANN = Owner("visitor:ann")


@pytest.fixture(autouse=True)
def registered(database, settings):
    settings.CHAT = chat_settings(UNDO_PERIOD=10.0)
    register("mine", alone=False)


def running(uid, process="mine"):
    return ask(Ask(ANN, uid, f"m-{uid}", "Why?"), Writer(process, "scripted", 1000)).answer


def test_a_heartbeat_finds_this_process_its_answers_and_the_others():
    register("other", alone=False)
    mine, stopped, _ = running("c1"), running("c2"), running("c3", process="other")
    Message.objects.filter(pk=stopped.pk).update(stopping=True)
    found = update_heartbeat("mine", [])
    assert (found.running, found.stopping) == ({mine.pk, stopped.pk}, {stopped.pk})
    assert (found.known, set(found.others), found.expired) == (True, {"other"}, False)
    assert found.others["other"].utcoffset() == timedelta(0)


def test_an_answer_of_a_deleted_conversation_is_to_stop():
    answer = running("c1")
    hide(ANN, ANN.conversations)
    assert update_heartbeat("mine", []).stopping == {answer.pk}


def test_a_heartbeat_finds_deletions_that_can_no_longer_be_undone():
    for uid in ("c1", "c2"):
        running(uid)
    hide(ANN, ANN.conversations)
    assert not update_heartbeat("mine", []).expired
    Conversation.objects.update(deleted_at=timezone.now() - timedelta(seconds=11))
    assert update_heartbeat("mine", []).expired


def test_a_heartbeat_writes_checkpoints_and_a_row_that_was_removed():
    answer = running("c1")
    update_heartbeat("mine", [Written(answer.pk, (TextPart("Because"),))])
    answer.refresh_from_db()
    assert (answer.text, answer.parts) == ("Because", [{"type": "text", "text": "Because"}])
    Message.objects.update(process=None)
    Process.objects.all().delete()
    assert not update_heartbeat("mine", []).known
    assert Process.objects.get().pk == "mine"


def test_a_heartbeat_takes_two_statements(database):
    with CaptureQueriesContext(connections[database]) as queries:
        update_heartbeat("mine", [])
    statements = [query["sql"].strip("(").split()[0] for query in queries]
    assert [word for word in statements if word not in ("BEGIN", "COMMIT")] == ["UPDATE", "SELECT"]


def test_a_process_that_starts_alone_leaves_clients_and_their_answers_and_ends_those_of_servers():
    register("client", alone=True, client=True)
    asked, served = running("c1", process="client"), running("c2")
    assert register("next", alone=True) == 1
    asked.refresh_from_db()
    served.refresh_from_db()
    assert (asked.status, asked.process_id, served.status) == ("running", "client", "interrupted")
    assert set(Process.objects.values_list("pk", "client")) == {("client", True), ("next", False)}


def test_a_client_that_starts_ends_nothing():
    mine = running("c1")
    assert register("client", alone=True, client=True) == 0
    mine.refresh_from_db()
    assert (mine.status, mine.process_id) == ("running", "mine")


def test_a_heartbeat_tells_clients_from_servers_and_one_whose_row_was_removed_stays_a_client():
    register("client", alone=True, client=True)
    register("other", alone=False)
    found = update_heartbeat("mine", [])
    assert (set(found.others), found.clients) == ({"client", "other"}, {"client"})
    Process.objects.filter(pk="client").delete()
    assert not update_heartbeat("client", [], client=True).known
    assert update_heartbeat("mine", []).clients == {"client"}
