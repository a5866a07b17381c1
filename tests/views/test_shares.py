"""Share links: a copy for everybody who has the link, made and revoked by its owner alone."""

import json
import re

import pytest
from django.test import Client

from chat.db.shares import MOST
from chat.models import Conversation, Share, ToolCall
from chat.owners import VISITOR, Owner
from chat.sources import stored
from tests.support.templates import OwnTemplates

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def sharing(scripted, settings):
    settings.CHAT = {**settings.CHAT, "SHARING": True}


@pytest.fixture
def bob():
    client = Client()
    session = client.session
    session[VISITOR] = "bob"
    session.save()
    client.cookies["sessionid"] = session.session_key
    return client


@pytest.fixture
def link(ann, converse):
    """Share a conversation; return the path of the copy."""
    converse()
    assert ann.post("/chat/c1/shares/new/").status_code == 303
    return f"/chat/~shared/{Share.objects.get().uid}/"


def read(link, **headers):
    """Read as a stranger without cookies."""
    return Client().get(link, headers=headers)


def shown(link):
    """Return the page without what differs in each rendering."""
    return re.sub(r' nonce="[^"]+"', "", read(link).content.decode())


def test_everybody_with_the_link_can_read_the_copy(link):
    page = read(link).content.decode()
    for text in ("Why is the sky blue?", "Why?", "<strong>Scattering</strong>"):
        assert text in page


def test_the_page_of_the_links_says_what_is_shared_and_shows_them(ann, converse, link):
    page = ann.get("/chat/c1/shares/").content.decode()
    assert "Everybody who has the link" in page
    assert f"http://testserver{link}" in page
    assert "/chat/c1/shares/" in ann.get("/chat/c1/").content.decode()


def test_an_answer_that_waits_for_its_visitor_is_not_shared_yet(ann, asked):
    asked()
    ann.post("/chat/c1/shares/new/")
    page = read(f"/chat/~shared/{Share.objects.get().uid}/").content.decode()
    assert "Why?" in page
    for absent in ("decision", "Cancel", 'name="call"'):
        assert absent not in page


def test_an_id_cannot_be_guessed(ann, link):
    ann.post("/chat/c1/shares/new/")
    first, second = Share.objects.values_list("uid", flat=True)
    assert first != second
    assert all(re.fullmatch("[A-Za-z0-9_-]{32}", uid) for uid in (first, second)), "192 bits"
    for guess in ("c1", "1", first[:-1], first + "A", first.swapcase()):
        assert read(f"/chat/~shared/{guess}/").status_code == 404


def test_the_copy_has_no_buttons_ids_or_reasoning_and_makes_no_visitor(ann, converse):
    conversation = converse(uid="secretuid")
    conversation.tip.parts.insert(0, {"type": "reasoning", "text": "Private thoughts"})
    conversation.tip.model = "secret-model"
    conversation.tip.save()
    ann.post("/chat/secretuid/shares/new/")
    answer = read(f"/chat/~shared/{Share.objects.get().uid}/")
    page = answer.content.decode()
    for absent in ("secretuid", "Private thoughts", "secret-model", "data-action", "<form", "<button", "visitor:"):
        assert absent not in page
    assert not answer.cookies


CALL = {
    "uid": "canary-uid",
    "name": "canary-tool",
    "input": {"canary-key": "canary-input"},
    "output": [{"canary-column": "canary-output"}],
    "error": "canary-error",
    "backend": "canary-backend",
    "model_id": "canary-id",
    "extra": {"canary-extra": 1},
}


@pytest.mark.parametrize("state", ToolCall.State.values)
def test_the_copy_has_the_texts_around_the_calls_of_tools_and_nothing_of_the_calls(
    ann, converse, settings, tmp_path, state
):
    OwnTemplates(settings, tmp_path).tool("canary-tool.html", "canary-template {{ call.output }}")
    conversation = converse(title="About orders")
    Conversation.objects.update(assistant="canary-assistant", about_model="shop.canary", about_key="canary-object")
    answer = conversation.tip
    answer.parts = [
        {"type": "text", "text": "Let me see."},
        {"type": "tool", "call": CALL["uid"]},
        {"type": "reasoning", "text": "canary-thought", "seconds": 2.0},
        {"type": "text", "text": "On its way."},
    ]
    answer.has_calls = True
    answer.save()
    answer.tool_calls.create(step=0, state=state, **CALL)
    assert "canary-template" in ann.get("/chat/c1/print/").content.decode()
    ann.post("/chat/c1/shares/new/")
    found = Share.objects.get()
    page = read(f"/chat/~shared/{found.uid}/").content.decode()
    assert page.index("Let me see.") < page.index("On its way.")
    assert "canary" not in page
    assert "canary" not in json.dumps(found.messages)
    assert "canary" not in ann.get("/chat/c1/shares/").content.decode()


def test_search_engines_and_caches_keep_nothing_and_links_reveal_nothing(link):
    answer = read(link)
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert {"private", "no-store"} <= set(answer.headers["Cache-Control"].split(", "))
    assert '<meta name="robots" content="noindex">' in answer.content.decode()
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert not re.search(r"<script>|\sstyle=|\son\w+=", answer.content.decode())


def test_later_messages_edits_and_titles_stay_private(ann, link):
    before = shown(link)
    conversation = Conversation.objects.get()
    question = conversation.message_set.get(role="user")
    conversation.message_set.filter(role="assistant").update(
        parts=[{"type": "text", "text": "Changed"}], text="Changed"
    )
    conversation.tip = conversation.message_set.create(uid="more", role="user", text="Later", parent=conversation.tip)
    conversation.title = "Another title"
    conversation.save()
    question.text = "Edited"
    question.save()
    assert shown(link) == before


def test_other_branches_and_a_running_answer_are_not_copied(ann, converse):
    conversation = converse(status="running", answer="Not finished")
    conversation.message_set.create(uid="other", role="user", text="Another version")
    ann.post("/chat/c1/shares/new/")
    page = read(f"/chat/~shared/{Share.objects.get().uid}/").content.decode()
    assert "Why?" in page
    assert "Not finished" not in page and "Another version" not in page


def test_a_revoked_link_is_gone_at_once_and_others_stay(ann, link):
    ann.post("/chat/c1/shares/new/")
    first, second = Share.objects.order_by("pk")
    assert ann.post(f"/chat/c1/shares/{first.uid}/revoke/").status_code == 303
    assert read(link).status_code == 404
    assert read(f"/chat/~shared/{second.uid}/").status_code == 200
    assert ann.post(f"/chat/c1/shares/{first.uid}/revoke/").status_code == 404


def test_a_deleted_conversation_is_no_longer_shared(ann, link):
    Conversation.objects.all().delete()
    assert read(link).status_code == 404
    assert not Share.objects.exists()


def test_only_the_owner_lists_makes_and_revokes_links(ann, bob, link):
    uid = Share.objects.get().uid
    assert bob.get("/chat/c1/shares/").status_code == 404
    assert bob.post("/chat/c1/shares/new/").status_code == 404
    assert bob.post(f"/chat/c1/shares/{uid}/revoke/").status_code == 404
    assert Share.objects.count() == 1
    assert read(link).status_code == 200


def test_the_owner_of_another_conversation_cannot_revoke_it_through_their_own(ann, bob, converse, link):
    converse(owner=Owner("visitor:bob"), uid="c2")
    assert bob.post(f"/chat/c2/shares/{Share.objects.get().uid}/revoke/").status_code == 404
    assert read(link).status_code == 200


@pytest.mark.parametrize("path", ["new/", "{uid}/revoke/"])
def test_links_are_made_and_revoked_by_posts_from_the_site_only(ann, link, path):
    address = f"/chat/c1/shares/{path.format(uid=Share.objects.get().uid)}"
    assert ann.get(address).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = ann.cookies
    assert strict.post(address).status_code == 403
    assert Share.objects.count() == 1


def test_a_conversation_can_have_only_so_many_links(ann, link):
    for _ in range(MOST - 1):
        assert ann.post("/chat/c1/shares/new/").status_code == 303
    refused = ann.post("/chat/c1/shares/new/")
    assert refused.status_code == 400
    assert f"{MOST} links already" in refused.content.decode()
    assert Share.objects.count() == MOST


def test_without_the_setting_nothing_of_it_is_there(ann, link, settings):
    uid = Share.objects.get().uid
    settings.CHAT = {name: value for name, value in settings.CHAT.items() if name != "SHARING"}
    assert read(link).status_code == 404
    assert ann.get("/chat/c1/shares/").status_code == 404
    assert ann.post("/chat/c1/shares/new/").status_code == 404
    assert ann.post(f"/chat/c1/shares/{uid}/revoke/").status_code == 404
    assert "/shares/" not in ann.get("/chat/c1/").content.decode()


def test_the_copy_has_texts_and_sources_and_nothing_else_of_the_calls(ann, converse):
    conversation = converse(answer="As [1] says.", has_calls=True)
    message = conversation.message_set.get(role="assistant")
    message.parts = [{"type": "tool", "call": "t-1"}, *message.parts, {"type": "tool", "call": "t-2"}]
    message.save()
    found = [stored("Brakes", "https://bikes.example/brake", "They stop."), {"price": "secret-price"}]
    calls = {"input": {"query": "secret-query"}, "extra": {"secret-extra": 1}, "model_id": "secret-id"}
    message.tool_calls.create(uid="t-1", step=0, name="secret_tool", state="done", output=found, **calls)
    message.tool_calls.create(uid="t-2", step=1, name="secret_tool", state="failed", error="secret-error", **calls)
    ann.post("/chat/c1/shares/new/")
    message.tool_calls.all().delete()
    page = read(f"/chat/~shared/{Share.objects.get().uid}/").content.decode()
    assert page.count('href="https://bikes.example/brake"') == 2
    assert 'class="llm-chat-cite"' in page
    for present in ("Brakes", "They stop.", "bikes.example", "says."):
        assert present in page
    for absent in ("secret", "t-1", "t-2", "llm-chat-call", "<form", "<button", "data-call"):
        assert absent not in page
    assert "secret" not in str(Share.objects.get().messages)
