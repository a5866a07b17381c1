"""Exporting a conversation as a file."""

import json
from datetime import UTC, datetime
from urllib.parse import quote

import pytest

from chat.models import Conversation, Message

pytestmark = pytest.mark.django_db
MOMENT = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)


@pytest.fixture
def branched(converse):
    """Store a question with two answers, of which the first is shown."""
    made = converse(answer="# Blue\n\n<b>*Scattering*</b>", model="m", usage={"prompt_tokens": 1})
    question = made.message_set.get(role="user")
    made.message_set.create(uid="other", role="assistant", parent=question, text="Another")
    Message.objects.update(created_at=MOMENT)
    return made


def test_markdown_has_the_shown_branch_as_it_is(ann, branched):
    response = ann.get("/chat/c1/export.md")
    assert response["Content-Type"] == "text/markdown; charset=utf-8"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response.content.decode() == (
        "# Why is the sky blue?\n\n"
        "## You, 2026-03-10 12:30 UTC\n\nWhy?\n\n"
        "## Assistant, 2026-03-10 12:30 UTC\n\n# Blue\n\n<b>*Scattering*</b>\n"
    )


@pytest.mark.parametrize(
    ("fields", "ending"),
    [
        ({"status": "stopped"}, "Half\n\n*Stopped.*\n"),
        ({"status": "cut"}, "Half\n\n*The answer reached its limit and was cut off.*\n"),
        ({"status": "failed", "error": "timeout"}, "Half\n\n*The model took too long to answer.*\n"),
        ({"status": "interrupted", "error": "interrupted"}, "Half\n\n*The answer was interrupted.*\n"),
        ({"status": "running"}, "Half\n\n*The answer is still running.*\n"),
        ({"status": "complete"}, "Half\n"),
        ({"status": "complete", "answer": ""}, "\n\n*The answer is empty.*\n"),
        ({"status": "complete", "answer": "\n\n"}, "\n\n*The answer is empty.*\n"),
        (
            {"status": "complete", "finish_reason": "content-filter"},
            "Half\n\n*The answer was filtered by the model's provider.*\n",
        ),
    ],
)
def test_markdown_says_how_an_answer_ended(ann, converse, fields, ending):
    converse(**{"answer": "Half", **fields})
    text = ann.get("/chat/c1/export.md").content.decode()
    assert text.endswith(ending)
    assert text.count("*") == 2 * (ending != "Half\n")


def test_json_has_all_messages_and_lists_the_ids_of_the_shown_ones(ann, branched):
    response = ann.get("/chat/c1/export.json")
    assert response["Content-Type"] == "application/json"
    assert response["X-Content-Type-Options"] == "nosniff"
    content = json.loads(response.content)
    assert (content["id"], content["title"]) == ("c1", "Why is the sky blue?")
    assert datetime.fromisoformat(content["created"])
    assert [(one["id"], one["parent"], one["role"]) for one in content["messages"]] == [
        ("q-c1", None, "user"),
        ("a-c1", "q-c1", "assistant"),
        ("other", "q-c1", "assistant"),
    ]
    assert content["branch"] == ["q-c1", "a-c1"]
    assert content["messages"][1] == {
        "id": "a-c1",
        "parent": "q-c1",
        "role": "assistant",
        "status": "complete",
        "created": "2026-03-10T12:30:00Z",
        "parts": [{"type": "text", "text": "# Blue\n\n<b>*Scattering*</b>"}],
        "model": "m",
        "usage": {"prompt_tokens": 1},
    }


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Why is the sky blue?", "Why is the sky blue"),
        ('../a\\b"c\r\nSet-Cookie: x', "a b c Set-Cookie x"),
        ("Himmel für 天", "Himmel für 天"),
        ("...", "conversation"),
        ("", "New chat"),
    ],
)
def test_the_file_is_named_after_the_title_safely(ann, converse, title, name):
    converse()
    Conversation.objects.update(title=title)
    for extension in ("md", "json"):
        disposition = ann.get(f"/chat/c1/export.{extension}")["Content-Disposition"]
        full = f"{name}.{extension}"
        assert disposition == (
            f'attachment; filename="{full}"' if full.isascii() else f"attachment; filename*=utf-8''{quote(full)}"
        )


def test_a_conversation_without_messages_can_be_exported(ann):
    visitor = "visitor:ann"
    Conversation.objects.create(owner=visitor, uid="c1", title="Empty", updated_at=MOMENT)
    assert ann.get("/chat/c1/export.md").content.decode() == "# Empty\n"
    assert json.loads(ann.get("/chat/c1/export.json").content)["branch"] == []


def test_e11_naive_times_are_exported_with_their_zone(ann, converse, settings):
    settings.USE_TZ, settings.TIME_ZONE = False, "Asia/Tokyo"
    converse()
    naive = datetime(2026, 3, 10, 12, 30)
    Message.objects.update(created_at=naive)
    Conversation.objects.update(created_at=naive)
    assert "## You, 2026-03-10 12:30 JST" in ann.get("/chat/c1/export.md").content.decode()
    content = json.loads(ann.get("/chat/c1/export.json").content)
    times = {content["created"], *(message["created"] for message in content["messages"])}
    assert times == {"2026-03-10T12:30:00+09:00"}
