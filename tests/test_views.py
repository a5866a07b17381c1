"""The app's page, as a browser gets it."""

import pytest
from django.utils import timezone

from chat.models import Conversation
from chat.owners import VISITOR

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def scripted(script):
    pass


def conversation(owner, uid="c1", title="Why is the sky blue?"):
    made = Conversation.objects.create(owner=owner, uid=uid, title=title, updated_at=timezone.now())
    question = made.message_set.create(uid="m1", role="user", text="Why <is> the sky blue?")
    answer = made.message_set.create(
        uid="a1",
        role="assistant",
        parent=question,
        text="**Scattering**",
        parts=[{"type": "text", "text": "**Scattering**"}],
    )
    Conversation.objects.filter(pk=made.pk).update(tip=answer)
    return made


def visit(client, path="/chat/"):
    response = client.get(path)
    assert response.status_code == 200
    return response.content.decode()


def test_the_first_view_gives_a_visitor_an_id_and_a_cookie(client):
    visit(client)
    assert client.session[VISITOR]
    assert "sessionid" in client.cookies


def test_a_conversation_is_rendered_with_its_messages(client):
    visit(client)
    conversation(f"visitor:{client.session[VISITOR]}")
    page = visit(client, "/chat/c1/")
    assert "Why &lt;is&gt; the sky blue?" in page
    assert "<strong>Scattering</strong>" in page
    assert 'aria-current="page"' in page


def test_another_visitors_conversation_looks_as_if_it_did_not_exist(client):
    conversation("visitor:another")
    known, unknown = visit(client, "/chat/c1/"), visit(client, "/chat/not-there/")
    for before, behind in (("/", "/"), ('"', '"')):  # not where the two letters stand in a fingerprint
        known = known.replace(f"{before}c1{behind}", f"{before}not-there{behind}")
    assert known == unknown


def test_a_signed_in_users_conversations_hang_on_the_account(client, django_user_model):
    ann = django_user_model.objects.create_user("ann")
    client.force_login(ann)
    conversation(f"user:{ann.pk}")
    assert "<strong>Scattering</strong>" in visit(client, "/chat/c1/")
    client.logout()
    assert "<strong>Scattering</strong>" not in visit(client, "/chat/c1/")


def test_each_new_chat_has_an_id_of_its_own(client):
    ids = {visit(client).split('conversation="')[1].split('"')[0] for _ in range(5)}
    assert len(ids) == 5


@pytest.mark.parametrize("path", ["/chat/a.b/", "/chat/" + "x" * 65 + "/", "/chat/a/b/"])
def test_an_id_that_is_not_well_formed_is_no_page(client, path):
    assert client.get(path).status_code == 404


def test_the_page_is_only_read(client):
    assert client.post("/chat/").status_code == 405
    assert "no-store" in client.get("/chat/")["Cache-Control"]


def test_the_page_says_the_limit_that_the_model_sets(client, settings):
    settings.CHAT = {**settings.CHAT, "MAX_MESSAGE_LENGTH": 1234}
    assert 'max-length="1234"' in visit(client)
