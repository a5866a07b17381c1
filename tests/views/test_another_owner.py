"""Forms of a page whose browser has signed in or out since it was loaded."""

import re

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session

from chat.models import Conversation, Message
from chat.owners import Owner, key_of
from tests.views.conftest import ANN

pytestmark = pytest.mark.django_db

SENTENCE = "You have signed in or out since the page was loaded."


async def test_s05_a_message_of_a_page_whose_user_has_signed_out_is_not_stored_and_stays_in_its_field(script, asgi):
    user = await get_user_model().objects.acreate_user("ann")
    former = Owner(key_of(user.pk)).digest
    response = await asgi.post("/chat/c1/", {"id": "m1", "text": "Meant for my account", "chat_owner": former})
    page = response.content.decode()
    assert response.status_code == 409
    assert SENTENCE in page
    assert "Meant for my account</textarea>" in page
    assert not await Message.objects.aexists()
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]+)">', page.partition("llm-chat-form")[2]))
    assert fields["chat_owner"] == ANN.digest
    again = await asgi.post("/chat/c1/", {"id": fields["id"], "text": "Anyway", "chat_owner": fields["chat_owner"]})
    assert again.status_code == 303
    (await script.anext_reply()).finish()


async def test_s05_a_form_without_any_session_is_refused_as_well(script, asgi):
    await sync_to_async(Session.objects.all().delete)()
    response = await asgi.post("/chat/c1/", {"id": "m1", "text": "Hello", "chat_owner": ANN.digest})
    assert response.status_code == 409
    assert not await Message.objects.aexists()


COMMANDS = {
    "rename": {"title": "Mine"},
    "pin": {"pinned": "yes"},
    "delete": {"confirm": "yes"},
    "stop": {},
    "call": {"call": "allow t-1"},
}


@pytest.mark.parametrize("by_script", [False, True])
@pytest.mark.parametrize("command", COMMANDS)
def test_s05_a_command_of_another_owners_page_changes_nothing(ann, converse, command, by_script):
    converse()
    before = list(Conversation.objects.values())
    headers = {"x-requested-with": "llm-chat"} if by_script else {}
    fields = {**COMMANDS[command], "chat_owner": Owner("user:1").digest}
    response = ann.post(f"/chat/c1/{command}/", fields, headers=headers)
    assert response.status_code == 409
    assert SENTENCE in response.content.decode()
    assert ("<html" in response.content.decode()) is not by_script
    assert list(Conversation.objects.values()) == before


def test_s05_several_conversations_of_another_owners_page_are_not_deleted(ann, converse):
    converse()
    response = ann.post("/chat/~delete/", {"confirm": "yes", "chat_owner": Owner("user:1").digest})
    assert response.status_code == 409
    assert ANN.conversations.exists()


def test_the_forms_of_a_page_name_its_owner(ann, converse):
    converse()
    for path in ("/chat/c1/", "/chat/c1/options/", "/chat/c1/options/?fragment", "/chat/~options/"):
        page = ann.get(path, headers={"accept": "text/html"}).content.decode()
        forms = re.findall(r'<form[^>]*method="post".*?</form>', page, re.DOTALL)
        assert forms, path
        for form in forms:
            assert f'name="chat_owner" value="{ANN.digest}"' in form or "undo" in form, form
    renamed = ann.post("/chat/c1/rename/", {"title": "Mine", "chat_owner": ANN.digest})
    assert renamed.status_code == 302 or renamed.status_code == 303
    assert ANN.conversations.get().title == "Mine"
