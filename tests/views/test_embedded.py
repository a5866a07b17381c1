"""The chat without a page around it."""

import re

import pytest
from django.contrib.auth.models import Group

from chat.assistants import Assistant
from chat.assistants.about import EVERYBODY, signed, subject_of
from chat.assistants.discovery import registry
from chat.models import Conversation
from chat.owners import VISITOR, Owner

pytestmark = pytest.mark.django_db
ANN, BOB = Owner("visitor:ann"), Owner("visitor:bob")


class Support(Assistant):
    about = Group
    allowed = True

    def has_permission(self):
        return self.allowed

    def has_about_permission(self, about):
        return about.name != "secret"


class Sales(Assistant):
    pass


@pytest.fixture(autouse=True)
def assistants():
    Support.allowed = True
    with registry.replaced(Sales, Support):
        yield


@pytest.fixture
def group():
    return Group.objects.create(name="Anvils")


def fragment(client, uid="support", status=200, **query):
    fields = {"fragment": "", "assistant": "support", **query}
    response = client.get(f"/chat/{uid}/", fields, headers={"accept": "text/html"})
    assert response.status_code == status
    return response.content.decode()


def refer(group, owner=ANN, assistant="support"):
    return signed(subject_of(assistant, group), owner.digest if owner else EVERYBODY)


def is_forbidden(page):
    return re.search(r"<llm-chat [^>]* forbidden>", page) is not None


def test_a_fragment_is_the_chat_alone(ann, converse):
    converse(uid="support")
    Conversation.objects.update(assistant="support")
    page = fragment(ann)
    assert "<strong>Scattering</strong>" in page
    assert '<llm-chat class="llm-chat" lang="en" conversation="support" assistant="support"' in page
    assert 'page-url=""' in page
    assert "<html" not in page
    assert "llm-chat-sidebar" not in page


def test_a_first_fragment_gives_a_visitor_an_id_and_a_cookie(client):
    assert not is_forbidden(fragment(client))
    assert client.session[VISITOR]


def test_a_fragment_is_never_cached(ann):
    assert "no-store" in ann.get("/chat/support/?fragment&assistant=support")["Cache-Control"]


def test_another_visitors_conversation_is_not_shown(ann, converse):
    converse(BOB, uid="support")
    assert "Scattering" not in fragment(ann)


def test_a_conversation_is_not_read_before_it_is_seen(ann, converse):
    converse(uid="support")
    Conversation.objects.update(unread=True)
    fragment(ann)
    assert Conversation.objects.get().unread


def test_a_fragment_is_in_the_language_of_the_page_that_shows_it(ann):
    assert "Was möchten Sie wissen?" in fragment(ann, language="de")
    assert 'lang="en"' in fragment(ann, language="tlh")
    assert 'lang="en"' in fragment(ann)


@pytest.mark.parametrize("owner", [ANN, None], ids=["ann", "everybody"])
def test_a_new_conversation_is_about_the_object_to_which_the_page_refers(ann, group, owner):
    page = fragment(ann, "new", about=refer(group, owner))
    assert f'about="{refer(group)}"' in page
    assert not is_forbidden(page)


@pytest.mark.parametrize(
    "forge",
    [
        lambda group: refer(group, BOB),
        lambda group: refer(group, assistant="sales"),
        lambda group: refer(group)[:-1] + "x",
        lambda group: f"auth.group:{group.pk}",
        lambda group: refer(Group(pk=group.pk + 1)),
    ],
    ids=["another's", "another assistant's", "changed", "not signed", "of an object that is gone"],
)
def test_another_reference_is_refused_on_the_fragment_and_on_the_page(ann, group, forge):
    fragment(ann, "new", about=forge(group), status=403)
    page = ann.get("/chat/new/", {"assistant": "support", "about": forge(group)}).content.decode()
    assert is_forbidden(page)
    assert ' about="' not in page


def test_a_stored_conversation_keeps_its_object_whatever_the_page_refers_to(ann, group, converse):
    other = Group.objects.create(name="Other")
    converse(uid="c1")
    Conversation.objects.update(assistant="support", about_model="auth.group", about_key=str(group.pk))
    page = fragment(ann, "c1", about=refer(other))
    assert f'about="{refer(group)}"' in page
    group.delete()
    page = fragment(ann, "c1")
    assert "Scattering" in page
    assert is_forbidden(page)


def test_who_may_not_use_the_assistant_or_talk_about_the_object_reads_so(ann):
    secret = Group.objects.create(name="secret")
    assert is_forbidden(fragment(ann, "new", about=refer(secret)))
    Support.allowed = False
    assert is_forbidden(fragment(ann))
    assert is_forbidden(fragment(ann, assistant="nobody"))


def test_the_page_of_a_reference_is_about_the_object_and_offers_no_other_assistant(ann, group):
    page = ann.get("/chat/new/", {"assistant": "support", "about": refer(group, None)}).content.decode()
    assert f'<input type="hidden" name="about" value="{refer(group)}">' in page
    assert 'class="llm-chat-assistant"' not in page
    assert 'class="llm-chat-assistant"' in ann.get("/chat/new/?assistant=support").content.decode()


def test_a_form_that_is_refused_keeps_its_object(ann, group):
    fields = {"assistant": "support", "about": refer(group), "id": "m1", "text": "Why?"}
    page = ann.post("/chat/new/", fields)  # under WSGI
    assert page.status_code == 501
    assert f'name="about" value="{refer(group)}"' in page.content.decode()
