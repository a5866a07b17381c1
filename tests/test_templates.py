"""A site's own template takes the place of the app's, one by one, in the page and in what comes over the websocket."""

import pytest
from django.urls import reverse

from chat.endings import COMPLETE
from chat.html.messages import PartView, message_chunk, message_end_chunk, message_view, part_chunk
from chat.models import Conversation
from chat.views.sections import timezone

OWN = "The site's own."


@pytest.fixture
def override(settings, tmp_path):
    """Put a template of the site's before the app's."""

    def override(name, content=OWN):
        path = tmp_path / "llm_chat" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path, *settings.TEMPLATES[0]["DIRS"]]}]

    return override


@pytest.fixture
def answer(admin_user):
    """An answer in a conversation of the signed-in user's, which has another version."""
    made = Conversation.objects.create(owner=f"user:{admin_user.pk}", uid="c1", title="Why?", updated_at=timezone.now())
    question = made.message_set.create(uid="q1", role="user", text="Why?")
    parts = [{"type": "reasoning", "text": "Hm."}, {"type": "text", "text": "Because."}]
    made.message_set.create(uid="a1", role="assistant", text="Because.", parent=question, parts=parts)
    made.tip = made.message_set.create(uid="a2", role="assistant", text="Because.", parent=question, parts=parts)
    made.save()
    return made.tip


@pytest.mark.parametrize(
    "name",
    [
        "base",
        "composer",
        "conversation",
        "conversation_item",
        "footer",
        "hints",
        "icons",
        "list",
        "message",
        "page",
        "parts/reasoning",
        "parts/text",
        "picker",
    ],
)
def test_the_page_is_made_of_templates_that_a_site_can_replace(override, admin_client, answer, name):
    url = reverse("llm_chat:conversation", args=["c1"])
    assert OWN not in admin_client.get(url).content.decode()
    override(f"{name}.html", OWN)
    assert OWN in admin_client.get(url).content.decode()


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("options", "options"),
        ("all_options", "all-options"),
        ("search", "page"),
        ("frame", "options"),
    ],
)
def test_the_other_pages_are_as_well(override, admin_client, answer, name, url):
    address = reverse(f"llm_chat:{url}", args=["c1"] if url == "options" else []) + ("?q=Why" if url == "page" else "")
    assert OWN not in admin_client.get(address).content.decode()
    override(f"{name}.html", OWN)
    assert OWN in admin_client.get(address).content.decode()


def test_a_live_answer_is_made_of_them_too(override, answer):
    view = message_view(answer)
    for name, chunk in (
        ("message", lambda: message_chunk(view)),
        ("footer", lambda: message_end_chunk(view, COMPLETE)),
        ("parts/text", lambda: part_chunk("a2", PartView(0, "text"))),
        ("parts/reasoning", lambda: part_chunk("a2", PartView(0, "reasoning"))),
    ):
        assert OWN not in chunk().data.html
        override(f"{name}.html")
        assert OWN in chunk().data.html, name


def test_an_override_can_extend_what_it_replaces(override, admin_client, answer):
    override("page.html", '{% extends "llm_chat/page.html" %}{% block title %}' + OWN + "{% endblock %}")
    page = admin_client.get(reverse("llm_chat:conversation", args=["c1"])).content.decode()
    assert f"<title>{OWN}</title>" in page
    assert "<llm-chat " in page
