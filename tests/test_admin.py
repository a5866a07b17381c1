"""The admin: rows can be viewed and deleted, and what people wrote is shown as text."""

import re
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat.db.shares import share
from chat.models import Conversation, Feedback, Share
from chat.owners import key_of
from chat.sources import stored

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


def test_the_list_counts_messages_and_names_who_has_no_account(admin_client, admin_user, conversation):
    mine = Conversation.objects.create(owner="user:1", user=admin_user, uid="c2", updated_at=timezone.now())
    page = admin_client.get("/admin/llm_chat/conversation/").content.decode()
    assert re.findall(r'field-owned_by">(.*?)<.*?field-count">(\d+)<', page) == [
        (str(admin_user), "0"),
        ("Visitor", "1"),
    ]
    assert f"/admin/llm_chat/conversation/{mine.pk}/change/" in page


def test_a_conversation_reads_as_a_thread(admin_client, conversation):
    question = conversation.message_set.get()
    for uid, text in (("a1", "An **older** answer"), ("a2", "The *answer* that is shown")):
        conversation.tip = conversation.message_set.create(
            uid=uid,
            role="assistant",
            parent=question,
            status="cut",
            model="gpt-x",
            text=text,
            parts=[{"type": "text", "text": text}],
            usage={"total_tokens": 1},
        )
    conversation.save()
    page = admin_client.get(f"/admin/llm_chat/conversation/{conversation.pk}/change/").content.decode()
    first, older, shown = page.split("<article ")[1:]
    assert "&lt;script&gt;" in first and "other version" not in first
    assert "<strong>older</strong>" in older and "other version" in older
    assert "<em>answer</em>" in shown and "other version" not in shown
    for text in ("Assistant", "cut", "gpt-x", "1 token<"):
        assert text in shown, text


def test_a_thread_lists_the_sources_of_an_answer(admin_client, conversation):
    question = conversation.message_set.get()
    parts = [{"type": "tool", "call": "t-1"}, {"type": "text", "text": "As [1] says."}]
    answer = conversation.message_set.create(
        uid="a1", role="assistant", parent=question, text="As [1] says.", parts=parts, has_calls=True
    )
    output = stored(ATTACK, "https://bikes.example/brake", "")
    answer.tool_calls.create(uid="t-1", step=0, name="manual", state="done", output=output)
    page = admin_client.get(f"/admin/llm_chat/conversation/{conversation.pk}/change/").content.decode()
    assert page.count('href="https://bikes.example/brake"') == 2
    assert "Sources</h3>" in page
    assert ATTACK not in page


@pytest.fixture
def call(conversation):
    """Return a function that adds an answer with a call about which its visitor was asked."""

    def add(uid, **fields):
        parts = [{"type": "tool", "call": uid}]
        answer = conversation.message_set.create(
            uid=f"a-{uid}", role="assistant", status="waiting", parent=conversation.tip, parts=parts, has_calls=True
        )
        conversation.tip = answer
        conversation.save()
        at = datetime(2026, 3, 2, 9, 30, tzinfo=UTC) if fields.get("decided_by") else None
        return answer.tool_calls.create(
            **{"uid": uid, "step": 0, "name": "cancel", "question": "Cancel B7?", "decided_at": at, **fields}
        )

    return add


def thread_of(client, conversation):
    """Return the messages of a conversation as its page in the admin shows them, without white space."""
    page = client.get(f"/admin/llm_chat/conversation/{conversation.pk}/change/").content.decode()
    return [" ".join(article.split()) for article in page.split("<article ")[1:]]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("done", "Allowed by"),
        ("allowed", "Allowed by"),
        ("failed", "Allowed by"),
        ("unknown", "Allowed by"),
        ("denied", "Denied by"),
        ("expired", "Answered too late by"),
    ],
)
def test_a_thread_says_who_decided_about_a_call_and_when(admin_client, conversation, call, state, said):
    call("t-1", state=state, decided_by=conversation.owner, reason=f"{ATTACK} why")
    shown = thread_of(admin_client, conversation)[-1]
    assert f"{said} Visitor, <time" in shown
    assert "03/02/2026 9:30 a.m.</time>" in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt; why</bdi>" in shown


def test_a_thread_names_the_account_that_decided(admin_client, django_user_model, conversation, call):
    conversation.user = django_user_model.objects.create_user("<b>ann")
    conversation.owner = key_of(conversation.user.pk)
    conversation.save()
    call("t-1", state="done", decided_by=conversation.owner)
    assert "Allowed by &lt;b&gt;ann, <time" in thread_of(admin_client, conversation)[-1]


@pytest.mark.parametrize("fields", [{"state": "asked"}, {"state": "denied"}, {"state": "done", "question": ""}])
def test_a_thread_names_nobody_where_nobody_decided_and_has_no_buttons(admin_client, conversation, call, fields):
    call("t-1", **fields)
    shown = thread_of(admin_client, conversation)[-1]
    assert "Cancel</span>" in shown
    assert " by " not in shown
    assert 'name="call"' not in shown and "<button" not in shown
    assert ("Cancel B7?" in shown) == (fields["state"] == "asked")


def test_share_links_are_listed_and_revoked(admin_client, conversation):
    made = share(conversation)
    page = admin_client.get("/admin/llm_chat/share/").content.decode()
    assert "1 share link" in page and ATTACK not in page
    path = f"/admin/llm_chat/share/{made.pk}"
    assert made.uid in admin_client.get(f"{path}/change/").content.decode()
    assert admin_client.get("/admin/llm_chat/share/add/").status_code == 403
    admin_client.post(f"{path}/delete/", {"post": "yes"})
    assert not Share.objects.exists()


def test_a_conversation_can_be_deleted_with_its_messages(admin_client, conversation):
    admin_client.post(f"/admin/llm_chat/conversation/{conversation.pk}/delete/", {"post": "yes"})
    assert not Conversation.objects.exists()


def test_processes_are_listed(admin_client, db):
    assert admin_client.get("/admin/llm_chat/process/").status_code == 200


@pytest.fixture
def feedback(conversation):
    """Store answers of two models with feedback, and return a function that stores more."""

    def rate(number, value, model, comment=""):
        answer = conversation.message_set.create(
            uid=f"a{number}", role="assistant", model=model, text=f"{ATTACK} answer {number} " + "x" * 200
        )
        return Feedback.objects.create(message=answer, value=value, comment=comment)

    rate(1, 1, "small")
    rate(2, -1, "large", f"{ATTACK} too long")
    return rate


def listed(client, query=""):
    return client.get(f"/admin/llm_chat/feedback/{query}").content.decode()


def test_feedback_is_listed_with_the_beginning_of_its_answer(admin_client, feedback, conversation):
    page = listed(admin_client)
    for text in ("answer 1", "answer 2", "too long", "small", "large", "good", "bad"):
        assert text in page
    assert f"/admin/llm_chat/conversation/{conversation.pk}/change/" in page
    assert "x" * 100 not in page
    assert ATTACK not in page


@pytest.mark.parametrize("query", ["?value__exact=-1", "?message__model=large", "?q=long", "?q=answer+2"])
def test_feedback_is_filtered_by_value_and_model_and_searched(admin_client, feedback, query):
    page = listed(admin_client, query)
    assert "answer 2" in page
    assert "answer 1" not in page


def test_feedback_can_be_viewed_and_not_changed(admin_client, feedback):
    path = f"/admin/llm_chat/feedback/{Feedback.objects.get(value=-1).pk}/change/"
    page = admin_client.get(path).content.decode()
    assert "x" * 200 in page
    assert ATTACK not in page
    assert admin_client.post(path, {"value": "1"}).status_code == 403
    assert admin_client.get("/admin/llm_chat/feedback/add/").status_code == 403


def test_more_feedback_costs_no_more_queries(admin_client, feedback, conversation):
    pages = ["/admin/llm_chat/feedback/", f"/admin/llm_chat/conversation/{conversation.pk}/change/"]
    counts = []
    for more in (range(3, 4), range(4, 9)):
        for number in more:
            feedback(number, 1, "small", "kind")
        for path in pages:
            with CaptureQueriesContext(connection) as queries:
                admin_client.get(path)
            counts.append(len(queries))
    assert counts[:2] == counts[2:]


def test_a_conversation_shows_the_visitors_feedback(admin_client, feedback, conversation):
    page = admin_client.get(f"/admin/llm_chat/conversation/{conversation.pk}/change/").content.decode()
    assert "bad: &lt;script&gt;" in page


def test_models_fields_and_rows_are_named_in_the_users_language(admin_client, feedback, conversation):
    german = {"Accept-Language": "de"}
    page = admin_client.get(f"/admin/llm_chat/conversation/{conversation.pk}/change/", headers=german).content.decode()
    for text in ("Unterhaltung", "Nachrichten", "Titel", "<strong>Benutzer</strong>", "gut"):
        assert text in page
    rated = Feedback.objects.get(value=1)
    page = admin_client.get(f"/admin/llm_chat/feedback/{rated.pk}/change/", headers=german).content.decode()
    for text in ("Bewertung:", "Kommentar:", "Erstellt am:", "<title>gut | "):
        assert text in page
