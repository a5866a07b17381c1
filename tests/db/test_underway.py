"""Answers that run and that wait, as the admin and the metrics look for them: by indexes."""

import pytest
from django.db import connections
from django.utils import timezone

from chat.db.underway import count_waiting, running, waiting
from chat.models import Conversation, Message

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def answers(database):
    """Store many answers that have ended, one that runs and one that waits; return the database."""
    now = timezone.now()
    Conversation.objects.bulk_create(
        Conversation(owner="visitor:ann", uid=f"c{number}", updated_at=now) for number in range(200)
    )
    made = [
        Message(conversation=found, uid=f"a{number}", role="assistant", status="complete", text="x" * 500)
        for found in Conversation.objects.all()
        for number in range(10)
    ]
    Message.objects.bulk_create(made)
    first, second = Message.objects.order_by("pk")[:2]
    Message.objects.filter(pk=first.pk).update(status="running")
    Message.objects.filter(pk=second.pk).update(status="waiting")
    Conversation.objects.filter(pk=first.conversation_id).update(running=first.pk)
    with connections[database].cursor() as cursor:
        cursor.execute("ANALYZE")
    return database, first.pk, second.pk


def test_running_and_waiting_answers_are_found(answers):
    _, first, second = answers
    assert [answer.pk for answer in running()] == [first]
    assert [answer.pk for answer in waiting()] == [second]
    assert count_waiting() == 1


@pytest.mark.parametrize("found", [running, waiting])
def test_no_table_of_messages_is_read_as_a_whole(answers, found):
    plan = found().order_by("pk").explain()
    if connections[answers[0]].vendor == "postgresql":
        assert "Seq Scan on llm_chat_message" not in plan
    else:
        assert "SCAN llm_chat_message" not in plan.replace("SCAN llm_chat_message USING INDEX llm_chat_message_w", "")
    assert found is running or "llm_chat_message_waiting" in plan


def test_waiting_answers_are_counted_by_their_index(answers):
    with connections[answers[0]].cursor() as cursor:
        prefix = "" if connections[answers[0]].vendor == "postgresql" else "QUERY PLAN "
        counted = "SELECT COUNT(*) FROM llm_chat_message WHERE status = %s"
        cursor.execute(f"EXPLAIN {prefix}{counted}", ["waiting"])
        plan = str(cursor.fetchall())
    assert "llm_chat_message_waiting" in plan
