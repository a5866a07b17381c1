"""``manage.py chat_prune``."""

import io
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.utils import timezone

from chat.models import Conversation
from chat.owners import key_of
from tests.conftest import chat_settings


def prune(*arguments):
    out = io.StringIO()
    call_command("chat_prune", *arguments, stdout=out)
    return out.getvalue().splitlines()


def stored(uid, owner="visitor:ann", days=31, status="complete"):
    at = timezone.now() - timedelta(days=days)
    made = Conversation.objects.create(owner=owner, uid=uid, updated_at=at)
    answer = made.message_set.create(uid="a1", role="assistant", status=status)
    Conversation.objects.filter(pk=made.pk).update(tip=answer)


@pytest.fixture
def old(db, settings):
    """Store old conversations: two of visitors, one of which waits for a decision, and one of a user."""
    settings.CHAT = chat_settings(RETENTION={"anonymous": "30 days", "user": "36 hours"})
    stored("c1"), stored("c2", status="waiting"), stored("c3", days=1)
    stored("c4", owner=key_of(1))


def test_it_says_what_it_has_removed_by_kind(old):
    assert prune() == [
        "anonymous, kept for 30 days: 1 conversation removed. "
        "1 conversation left, because an answer runs or waits for a decision.",
        "user, kept for 1.5 days: 1 conversation removed.",
    ]
    assert sorted(Conversation.objects.values_list("uid", flat=True)) == ["c2", "c3"]
    assert prune()[1] == "user, kept for 1.5 days: 0 conversations removed."


def test_a_dry_run_only_counts(old):
    assert prune("--dry-run") == [
        "anonymous, kept for 30 days: 1 conversation would be removed. "
        "1 conversation left, because an answer runs or waits for a decision.",
        "user, kept for 1.5 days: 1 conversation would be removed.",
    ]
    assert Conversation.objects.count() == 4


def test_a_kind_without_an_entry_is_kept_forever(old, settings):
    settings.CHAT = chat_settings(RETENTION={"user": "1 day"})
    assert prune()[0] == "anonymous: kept forever."
    settings.CHAT = chat_settings()
    assert prune() == ['CHAT["RETENTION"] has no entries: every conversation is kept.']
    assert Conversation.objects.count() == 3


def test_a_database_that_fails_is_one_sentence(old, monkeypatch):
    def fail(conversations):
        raise OperationalError("database is locked")

    monkeypatch.setattr("chat.db.retention.delete", fail)
    with pytest.raises(CommandError, match=r"The database does not answer.*: database is locked"):
        prune()


async def test_open_pages_learn_of_it_and_answers_that_run_go_on(script, connect, settings):
    settings.CHAT = {**settings.CHAT, "RETENTION": {"anonymous": "30 days"}}
    socket = await connect("ann")
    request = await socket.ask("Why?", chat="runs")
    reply = await script.anext_reply()
    await sync_to_async(stored)("c1")
    month = timezone.now() - timedelta(days=31)
    await Conversation.objects.filter(uid="runs").aupdate(updated_at=month)
    await sync_to_async(prune)()
    events = [await socket.frame("conversation") for _ in range(2)]
    assert ("deleted", "c1") in [(event["event"], event["id"]) for event in events]
    reply.say("Because")
    reply.finish()
    assert (await socket.chunks(request))[-1]["type"] == "finish"
    assert (await Conversation.objects.aget()).uid == "runs"
