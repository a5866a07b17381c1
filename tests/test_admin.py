"""The admin: rows can be viewed and deleted, and what people wrote is shown as text."""

import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat.admin.usage import money
from chat.db.shares import share
from chat.models import Conversation, Feedback, Share, Usage
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


@pytest.fixture
def ledger(admin_user, conversation):
    """Calls of two days: exact ones of a user, an estimated one and one of which nothing is known of visitors."""
    answer = conversation.message_set.create(uid="a1", role="assistant")
    exact = {"source": "exact", "input_tokens": 1000, "cached_tokens": 200, "output_tokens": 30}
    exact |= {"cost": "0.0012", "currency": "EUR", "model": "gpt-x", "assistant": "support"}
    for number, day in enumerate((1, 1, 2)):
        Usage.objects.create(
            **exact, step=number, started_at=datetime(2026, 1, day, 12, tzinfo=UTC), owner="user:1", user=admin_user
        )
    other = {"model": "local", "assistant": "default", "started_at": datetime(2026, 1, 2, 13, tzinfo=UTC)}
    Usage.objects.create(
        **other, source="estimated", input_tokens=7, output_tokens=8, owner="visitor:ann", message=answer
    )
    Usage.objects.create(**other, source="unknown")


def totals(page):
    """Return the rows of the table above the list."""
    table = re.search(r"<caption>Totals.*?</table>", page, re.DOTALL)[0]
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in table.split("<tr>")[2:]]


ALL = ["All", "5", "3007", "600", "98", "0", "0.0036 EUR", "1", "1", "2"]


def test_the_ledger_adds_up_calls_by_day_and_counts_what_is_not_known_apart(admin_client, ledger):
    page = admin_client.get("/admin/llm_chat/usage/").content.decode()
    assert totals(page) == [
        ["Jan. 2, 2026", "3", "1007", "200", "38", "0", "0.0012 EUR", "1", "1", "2"],
        ["Jan. 1, 2026", "2", "2000", "400", "60", "0", "0.0024 EUR", "0", "0", "0"],
        ALL,
    ]


@pytest.mark.parametrize(
    ("way", "names"),
    [("user", ["admin", "Without a user"]), ("model", ["gpt-x", "local"]), ("assistant", ["support", "default"])],
)
def test_the_ledger_adds_up_calls_by_user_model_and_assistant(admin_client, ledger, way, names):
    page = admin_client.get(f"/admin/llm_chat/usage/?by={way}").content.decode()
    found = totals(page)
    assert [row[:2] for row in found] == [[names[0], "3"], [names[1], "2"], ["All", "5"]]
    assert found[-1] == ALL


def test_the_totals_are_those_of_the_rows_that_the_filters_leave(admin_client, ledger):
    page = admin_client.get("/admin/llm_chat/usage/?source__exact=exact&started_at__day=1").content.decode()
    assert totals(page)[-1][:2] == ["All", "2"]
    assert "<caption>Totals" not in admin_client.get("/admin/llm_chat/usage/?kind__exact=title").content.decode()


def test_what_the_site_itself_has_asked_is_neither_a_visitors_nor_deleted(admin_client, conversation):
    Conversation.objects.update(owner="server")
    Usage.objects.create(started_at=timezone.now(), owner="server", assistant="default", backend="default", model="m")
    for name in ("conversation", "usage"):
        page = admin_client.get(f"/admin/llm_chat/{name}/").content.decode()
        assert re.findall(r'field-owned_by">(.*?)<', page) == ["Site"]


def test_the_ledger_lists_calls_with_who_asked_and_links_their_conversations(admin_client, ledger, conversation):
    page = admin_client.get("/admin/llm_chat/usage/").content.decode()
    assert re.findall(r'field-owned_by">(.*?)<', page) == ["Deleted", "Visitor", "admin", "admin", "admin"]
    assert re.findall(r'field-shown_cost">(.*?)<', page) == ["-", "-", "0.0012 EUR", "0.0012 EUR", "0.0012 EUR"]
    assert f"/admin/llm_chat/conversation/{conversation.pk}/change/" in page
    assert ATTACK not in page


def test_the_ledger_can_only_be_read(admin_client, ledger):
    row = Usage.objects.latest("pk")
    path = f"/admin/llm_chat/usage/{row.pk}/change/"
    assert admin_client.get(path).status_code == 200
    assert admin_client.post(path, {"model": "x"}).status_code == 403
    assert admin_client.get("/admin/llm_chat/usage/add/").status_code == 403
    assert admin_client.post(f"/admin/llm_chat/usage/{row.pk}/delete/", {"post": "yes"}).status_code == 403


def test_the_ledger_takes_the_same_number_of_queries_for_any_number_of_rows(admin_client, ledger):
    with CaptureQueriesContext(
        connection,
    ) as few:
        admin_client.get("/admin/llm_chat/usage/")
    for row in list(Usage.objects.all()):
        Usage.objects.create(
            started_at=row.started_at, user=row.user, owner=row.owner, model=row.model, assistant=row.assistant
        )
    with CaptureQueriesContext(connection) as more:
        admin_client.get("/admin/llm_chat/usage/")
    assert len(more) == len(few)


def test_a_user_with_usage_is_deleted_in_the_admin_and_the_rows_stay(admin_client, ledger, django_user_model):
    ada = django_user_model.objects.create_user("ada")
    Usage.objects.create(started_at=timezone.now(), user=ada, owner=key_of(ada.pk), assistant="default")
    answer = admin_client.post(f"/admin/auth/user/{ada.pk}/delete/", {"post": "yes"})
    assert answer.status_code == 302
    assert not Usage.objects.filter(owner=key_of(ada.pk)).exists()
    assert Usage.objects.count() == 6


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("0", "0.00"), ("12.3456", "12.35"), ("0.5", "0.50"), ("0.0012345", "0.0012"), ("0.00000015", "0.00000015")],
)
def test_a_small_amount_is_shown_with_two_figures(amount, shown):
    assert money(Decimal(amount), "EUR") == f"{shown} EUR"
