"""Conversations in the admin: to read and to delete, with what people wrote shown as text."""

import pytest
from django.utils import timezone

from chat.models import Conversation

ATTACK = "<script>alert(1)</script>"


@pytest.fixture
def conversation(db):
    made = Conversation.objects.create(owner="visitor:ann", uid="c1", title=ATTACK, updated_at=timezone.now())
    made.message_set.create(uid="m1", role="user", text=f"{ATTACK} sky")
    return made


def test_conversations_are_listed_and_found_by_the_text_of_their_messages(admin_client, conversation):
    page = admin_client.get("/admin/llm_chat/conversation/?q=sky").content.decode()
    assert "1 conversation" in page
    assert ATTACK not in page
    assert "0 conversations" in admin_client.get("/admin/llm_chat/conversation/?q=sea").content.decode()


def test_a_conversation_shows_its_messages_and_cannot_be_changed(admin_client, conversation):
    path = f"/admin/llm_chat/conversation/{conversation.pk}/change/"
    page = admin_client.get(path).content.decode()
    assert "sky" in page
    assert ATTACK not in page
    assert admin_client.post(path, {"title": "other"}).status_code == 403
    assert admin_client.get("/admin/llm_chat/conversation/add/").status_code == 403


def test_a_conversation_can_be_deleted_with_its_messages(admin_client, conversation):
    admin_client.post(f"/admin/llm_chat/conversation/{conversation.pk}/delete/", {"post": "yes"})
    assert not Conversation.objects.exists()


def test_processes_are_listed(admin_client, db):
    assert admin_client.get("/admin/llm_chat/process/").status_code == 200
