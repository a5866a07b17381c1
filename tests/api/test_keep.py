"""``keep=False``: nobody sees the conversation, and nothing is left of it."""

import threading

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError
from django.test.client import Client
from django.urls import reverse

from chat import ask
from chat.db.deletion import expired, purge
from chat.db.processes import deregister, register
from chat.db.turns import ask as store
from chat.db.values import Ask, Writer
from chat.engine import announcing, background
from chat.engine import asking as asking_module
from chat.models import Conversation, Message, ToolCall, Usage
from chat.owners import UNKEPT_KEY, Owner, key_of
from chat.signals import answered

PROCESS = "0123456789abcdef" * 2


def nothing_is_left():
    return (Conversation.objects.count(), Message.objects.count(), ToolCall.objects.count()) == (0, 0, 0)


def test_an_answer_that_is_not_kept_is_returned_and_deleted(asking):
    asking.will_say("One.")
    answer = ask("default", "Count", keep=False)
    assert (answer.status, answer.text, answer.conversation) == ("complete", "One.", None)
    assert nothing_is_left()


@pytest.mark.parametrize(("plan", "status"), [("fail", "failed"), ("wait", "waiting"), ("time", "cut")])
def test_however_it_ends(asking, ada, plan, status):
    if plan == "fail":
        asking.will_fail("upstream")
    elif plan == "wait":
        asking.will_call("cancel", number="7")
    else:
        asking.will_say("One ", finish=False)
    answer = ask("support", "Count", user=ada, keep=False, timeout=0.5 if plan == "time" else None)
    assert answer.status == status
    assert nothing_is_left()


def test_the_assistant_has_the_user_and_nobody_sees_the_conversation_meanwhile(asking, ada, settings):
    settings.CHAT = {**settings.CHAT, "TITLES": "model"}
    results = []
    options = {"user": ada, "keep": False}
    thread = threading.Thread(target=lambda: results.append(ask("support", "My secret", **options)))
    thread.start()
    reply = asking.next_reply()
    assert "You help ada" in reply.request.messages[0]["content"]
    stored = Conversation.objects.get()
    assert (stored.owner, stored.user) == (UNKEPT_KEY, ada)
    assert not Owner(key_of(ada.pk), ada.pk).conversations.exists()
    staff = Client()
    staff.force_login(User.objects.create_superuser("root"))
    assert b"My secret" not in staff.get(reverse("admin:llm_chat_conversation_changelist")).content
    page = reverse("admin:llm_chat_conversation_change", args=[stored.pk])
    assert staff.get(page).status_code == 302
    reply.say("One.")
    reply.finish()
    thread.join(10)
    assert results[0].text == "One."
    assert nothing_is_left()
    background.close()
    assert len(asking.requests) == 1  # no title was asked for


def test_the_ledger_of_the_admin_does_not_lead_to_it_meanwhile_and_keeps_what_it_has_used(asking, ada):
    results = []
    options = {"user": ada, "keep": False}
    thread = threading.Thread(target=lambda: results.append(ask("support", "My secret", **options)))
    thread.start()
    first = asking.next_reply()
    first.call("manual", topic="Chains")
    first.finish()
    second = asking.next_reply()
    assert Usage.objects.get().message.conversation.owner == UNKEPT_KEY
    staff = Client()
    staff.force_login(User.objects.create_superuser("root"))
    page = staff.get(reverse("admin:llm_chat_usage_changelist")).content.decode()
    assert ("ada" in page, "My secret" in page) == (True, False)
    second.say("One.")
    second.finish()
    thread.join(10)
    assert results[0].text == "One."
    assert nothing_is_left()
    assert [(call.user, call.message) for call in Usage.objects.all()] == [(ada, None)] * 2


def test_receivers_of_answered_still_find_it(asking, monkeypatch):
    heard, deleted = [], threading.Event()
    send, delete = announcing.send_answered, asking_module.delete

    def send_late(answer_id):
        deleted.wait(0.3)  # a deletion that does not wait comes first
        send(answer_id)

    def delete_and_tell(conversations):
        found = delete(conversations)
        deleted.set()
        return found

    monkeypatch.setattr(announcing, "send_answered", send_late)
    monkeypatch.setattr(asking_module, "delete", delete_and_tell)

    def note(message, **_):
        heard.append((message.status, message.text, message.parent.text))

    answered.connect(note)
    try:
        asking.will_say("One.")
        ask("default", "Count", keep=False)
    finally:
        answered.disconnect(note)
    assert heard == [("complete", "One.", "Count")]
    assert nothing_is_left()


def test_a_conversation_cannot_be_both_continued_and_forgotten(db):
    with pytest.raises(ValueError, match="keep=False cannot continue a conversation"):
        ask("default", "Count", conversation="c1", keep=False)


def test_a_deletion_that_fails_does_not_lose_the_answer_and_is_logged(asking, monkeypatch, caplog):
    def fail(*_):
        raise DatabaseError("away")

    monkeypatch.setattr(asking_module, "delete", fail)
    asking.will_say("One.")
    assert ask("default", "Count", keep=False).text == "One."
    assert "could not be deleted" in caplog.text
    background.close()  # the process ends
    assert purge() == 1
    assert nothing_is_left()


def test_what_a_killed_process_leaves_is_removed_when_its_row_is_gone_and_its_answer_has_ended(asking, ada):
    register(PROCESS, alone=True, client=True)
    asked = Ask(Owner(UNKEPT_KEY, ada.pk), f"{PROCESS}-abc", "m1", "Count")
    turn = store(asked, Writer(PROCESS, "scripted", 1000))
    kept = store(Ask(Owner("server"), "c1", "m1", "Count"), Writer(PROCESS, "scripted", 1000))
    assert not expired().exists()
    Conversation.objects.update(running=None)  # another process has ended the answers
    assert not expired().exists()  # the process may be about to read them
    Message.objects.update(process=None, status="interrupted")
    deregister(PROCESS)
    assert [found.pk for found in expired()] == [turn.conversation.pk]
    assert purge() == 1
    assert Conversation.objects.get().pk == kept.conversation.pk
