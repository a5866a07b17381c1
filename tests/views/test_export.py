"""Exporting a conversation as a file."""

import json
from datetime import UTC, datetime
from urllib.parse import quote

import pytest

from chat.models import Conversation, Message, ToolCall
from chat.sources import stored

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


@pytest.fixture
def sourced(converse):
    """Store an answer whose tool has found two sources."""
    made = converse(answer="As [2] says, not `[2]` or [3].", has_calls=True)
    message = made.message_set.get(role="assistant")
    message.parts = [{"type": "text", "text": "Before [1]."}, {"type": "tool", "call": "t-1"}, *message.parts]
    message.save()
    output = [stored("The [brake]", "https://bikes.example/brake", "Stops."), stored("Own", "/manual/1/", "")]
    ToolCall.objects.create(message=message, uid="t-1", step=0, name="secret_tool", state="done", output=output)
    return made


def test_citations_are_footnotes_in_markdown_and_the_list_is_at_the_end_of_their_answer(ann, sourced):
    text = ann.get("/chat/c1/export.md").content.decode()
    assert "\n\nBefore [1].\n\nAs [^2] says, not `[2]` or [3].\n\n" in text
    assert text.endswith(
        "\n\n[^1]: [The \\[brake\\]](<https://bikes.example/brake>)\n[^2]: [Own](<http://testserver/manual/1/>)\n"
    )
    assert "secret_tool" not in text


def test_footnotes_of_several_answers_have_numbers_of_their_own(ann, sourced):
    first = sourced.message_set.get(role="assistant")
    asked = sourced.message_set.create(uid="q-2", role="user", text="And [1] or [^7]?", parent=first)
    again = sourced.message_set.create(
        uid="a-2", role="assistant", text="As [1].", has_calls=True, parent=asked, parts=first.parts
    )
    again.parts = [{"type": "tool", "call": "t-1"}, {"type": "text", "text": "As [1]."}]
    again.save()
    Conversation.objects.update(tip=again)
    text = ann.get("/chat/c1/export.md").content.decode()
    assert "And [1] or [^7]?" in text
    assert "As [^9] says" in text and "As [^10]." in text
    assert [line[:7] for line in text.splitlines() if line.startswith("[^")] == [
        "[^8]: [",
        "[^9]: [",
        "[^10]: ",
        "[^11]: ",
    ]


def test_json_has_the_sources_of_an_answer(ann, sourced):
    question, answer = json.loads(ann.get("/chat/c1/export.json").content)["messages"]
    assert answer["sources"] == [
        {"number": 1, "title": "The [brake]", "url": "https://bikes.example/brake", "excerpt": "Stops."},
        {"number": 2, "title": "Own", "url": "/manual/1/", "excerpt": ""},
    ]
    assert "sources" not in question
