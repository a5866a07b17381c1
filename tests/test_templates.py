"""A site can replace each of the app's templates, on the page and in what is sent over the websocket."""

import pytest
from django.urls import reverse

from chat.endings import COMPLETE
from chat.html.message_chunks import message_chunk, message_end_chunk, part_chunk, part_end_chunk
from chat.html.messages import PartView, message_view
from chat.models import Conversation
from chat.views.sections import timezone

OWN = "The site's own."


@pytest.fixture
def override(settings, tmp_path):
    """Return a function that makes the site replace one of the app's templates."""

    def override(name, content=OWN):
        path = tmp_path / "llm_chat" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path, *settings.TEMPLATES[0]["DIRS"]]}]

    return override


@pytest.fixture
def answer(admin_user):
    """Store a conversation of the signed-in user; return its answer, which has another version."""
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
        "account",
        "base",
        "composer",
        "conversation",
        "conversation_item",
        "footer",
        "hints",
        "icons",
        "list",
        "menu",
        "message",
        "page",
        "parts/reasoning",
        "parts/text",
        "picker",
        "dots",
        "fold",
        "thinking",
        "time",
        "start",
    ],
)
def test_a_site_can_replace_each_template_of_the_page(override, admin_client, answer, name):
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
        ("print", "print"),
        ("reading", "print"),
        ("record", "print"),
        ("shares", "shares"),
    ],
)
def test_a_site_can_replace_each_template_of_the_other_pages(settings, override, admin_client, answer, name, url):
    settings.CHAT = {**settings.CHAT, "SHARING": True}
    of_one = url in ("options", "print", "shares")
    address = reverse(f"llm_chat:{url}", args=["c1"] if of_one else []) + ("?q=Why" if url == "page" else "")
    assert OWN not in admin_client.get(address).content.decode()
    override(f"{name}.html", OWN)
    assert OWN in admin_client.get(address).content.decode()


def test_a_live_answer_is_rendered_by_the_replaced_templates(override, answer):
    view = message_view(answer)
    for name, chunk in (
        ("message", lambda: message_chunk(view)),
        ("footer", lambda: message_end_chunk(view, COMPLETE)),
        ("parts/text", lambda: part_chunk("a2", PartView(0, "text"))),
        ("parts/reasoning", lambda: part_chunk("a2", PartView(0, "reasoning"))),
        ("thinking", lambda: part_end_chunk("a2", PartView(0, "reasoning"))),
    ):
        assert OWN not in chunk().data.html
        override(f"{name}.html")
        assert OWN in chunk().data.html, name


def test_a_template_can_extend_the_one_that_it_replaces(override, admin_client, answer):
    override("page.html", '{% extends "llm_chat/page.html" %}{% block title %}' + OWN + "{% endblock %}")
    page = admin_client.get(reverse("llm_chat:conversation", args=["c1"])).content.decode()
    assert f"<title>{OWN}</title>" in page
    assert "<llm-chat " in page
