"""A call as a template shows it."""

import re
from dataclasses import replace

import pytest
from django.utils.translation import override

from chat.assistants.calling import BUSY, FAILED
from chat.chunks import ToolInput, ToolOutput, ToolOutputError
from chat.db.calls import UNKNOWN
from chat.engine.calls import NO_TOOL
from chat.html.calls import (
    _SENTENCES,
    NOWHERE,
    CallConversation,
    CallView,
    call_html,
    call_view,
    conversation_of,
    templates_of,
)
from chat.html.live_calls import LiveCall
from chat.html.message_chunks import message_html
from chat.html.messages import message_view
from chat.models import Conversation, Message, ToolCall
from chat.owners import Owner
from tests.support.templates import OwnTemplates

SHOP = CallConversation("c1", "support")
ORDERS = CallView("orders", {"status": "open"}, "done", [{"number": "B7"}])


def html(view, conversation=NOWHERE):
    return call_html(view, conversation)


@pytest.fixture
def template(settings, tmp_path):
    """Return a function that gives the site a template of its own for calls."""
    return OwnTemplates(settings, tmp_path).tool


def test_the_app_translates_every_sentence_of_its_own():
    assert {BUSY, FAILED, UNKNOWN, NO_TOOL} == set(_SENTENCES)


@pytest.mark.parametrize("sentence", _SENTENCES)
def test_its_own_sentences_are_shown_in_the_language_of_the_page(sentence):
    with override("de"):
        assert CallView("orders", {}, "failed", reason=sentence).error != sentence
        assert CallView("orders", {}, "failed", reason="No such order.").error == "No such order."


def test_a_name_is_shown_in_words():
    assert CallView("see_my-orders", {}).label == "See my orders"
    assert CallView("findISBN", {}).label == "FindISBN"


@pytest.mark.parametrize(
    ("tool", "assistant", "templates"),
    [
        ("orders", "support", ["support/orders", "orders", "default"]),
        ("orders", "", ["orders", "default"]),
        ("orders", "../admin", ["orders", "default"]),
        ("orders", "sup\n", ["orders", "default"]),
        ("../secret", "support", ["default"]),
        ("a/b", "support", ["default"]),
        ("x" * 65, "support", ["default"]),
        ("orders\n", "support", ["default"]),
        ("", "support", ["default"]),
    ],
)
def test_only_names_that_are_harmless_in_a_path_have_templates_of_their_own(tool, assistant, templates):
    assert templates_of(tool, assistant) == [f"llm_chat/tools/{name}.html" for name in templates]


def test_the_template_of_the_assistant_comes_before_that_of_the_tool(template):
    assert "Orders" in html(ORDERS, SHOP)
    template("orders.html", "The tool's.")
    assert html(ORDERS, SHOP) == "The tool's."
    template("support/orders.html", "The assistant's.")
    assert html(ORDERS, SHOP) == "The assistant's."
    assert html(ORDERS, CallConversation("c1", "sales")) == "The tool's."
    assert html(ORDERS) == "The tool's."


def test_a_template_gets_the_call_the_assistant_and_the_conversation(template):
    template("orders.html", "{{ call.input.status }} {{ call.output.0.number }} {{ assistant }} {{ conversation.id }}")
    assert html(ORDERS, SHOP) == "open B7 support c1"


def test_a_template_escapes_what_it_is_given(template):
    template("orders.html", "{{ call.output }}")
    assert html(CallView("orders", {}, "done", "<b>"), SHOP) == "&lt;b&gt;"


FAILING = {
    "syntax": "{% nothing %}",
    "include": '{% include "llm_chat/tools/no_such.html" %}',
    "parent": '{% extends "llm_chat/tools/no_such.html" %}',
    "filter": '{% load i18n %}{{ call.input.status|date:"Y"|add:1 }}{% widthratio call.input.status 0 "x" %}',
    "method": "{% for one in call.input.items %}{% cycle %}{% endfor %}",
}


@pytest.mark.parametrize("content", FAILING.values(), ids=FAILING)
def test_a_template_that_fails_is_logged_once_by_its_name_and_the_next_one_is_shown(template, content, caplog):
    template("support/orders.html", content)
    expected = html(ORDERS, CallConversation("c1", "sales"))
    assert html(ORDERS, SHOP) == html(ORDERS, SHOP) == expected
    assert [record.getMessage() for record in caplog.records] == [
        "The template llm_chat/tools/support/orders.html failed, so another one shows the call of the tool."
    ]
    assert caplog.records[0].exc_info


def test_a_template_that_fails_is_logged_each_time_while_the_site_is_developed(template, settings, caplog):
    settings.DEBUG = True
    template("orders.html", FAILING["syntax"])
    assert html(ORDERS) == html(ORDERS)
    assert len(caplog.records) == 2


def test_a_call_without_any_template_that_works_is_shown_by_its_name(template):
    template("default.html", FAILING["syntax"])
    assert html(CallView("<orders>", {})) == "&lt;orders&gt;"


async def test_a_template_that_queries_the_database_fails_alone_and_not_the_live_answer(template, caplog):
    template("orders.html", "{{ conversation.made }}")
    assert html(ORDERS, Querying()) == html(CallView("other", {"status": "open"}, "done", [{"number": "B7"}])).replace(
        "Other", "Orders"
    )
    assert "llm_chat/tools/orders.html" in caplog.text


class Querying:
    """A conversation whose attribute needs the database, as a site's template tag may."""

    assistant = ""

    @property
    def made(self):
        return Conversation.objects.count()


def stored(parts, **fields):
    conversation = Conversation(uid="c1", assistant="support")
    message = Message(uid="a1", role="assistant", status="complete", conversation=conversation, parts=parts, **fields)
    message.calls = {"t-1": ToolCall(uid="t-1", name="orders", input={"a": 1}, state="done", output=[7])}
    return message


def test_a_message_knows_its_conversation_without_a_query():
    assert conversation_of(stored([])) == replace(SHOP, owner=Owner("").digest)
    assert conversation_of(Message(conversation_id=1)) == NOWHERE
    assert conversation_of(Message()) == NOWHERE


def test_a_live_call_is_rendered_as_the_stored_one_to_the_byte(template):
    template("support/orders.html", "{{ call.state }} {{ call.output }} {{ assistant }} {{ conversation.id }}\n")
    live = LiveCall(0, ToolInput("t-1", "orders", {"a": 1}), SHOP)
    live.take(ToolOutput("t-1", [7]))
    assert "done [7] support c1" in live.chunk("a1", None).data.html
    assert live.chunk("a1", None).data.html in message_html(message_view(stored([{"type": "tool", "call": "t-1"}])))


@pytest.mark.parametrize(
    ("view", "line"),
    [
        (CallView("orders", {"status": "open"}), "Orders status: open Running…"),
        (CallView("orders", {}, progress="Asking"), "Orders Asking"),
        (CallView("orders", {"status": "open"}, "done", [1, 2, 3]), "Orders status: open 3 results"),
        (CallView("orders", {}, "done"), "Orders Done"),
        (CallView("orders", {}, "failed", reason="No."), "Orders Failed"),
        (CallView("orders", {}, "unknown", reason=UNKNOWN), "Orders Outcome unknown"),
    ],
)
def test_a_folded_call_says_in_one_line_what_it_is_and_how_it_ended(view, line):
    summary = html(view).partition("<summary")[2].partition("</summary>")[0]
    assert " ".join(re.sub("<[^>]*>", " ", summary.partition(">")[2]).split()) == line


@pytest.mark.parametrize(("state", "reason"), [("failed", "No such order."), ("unknown", UNKNOWN)])
def test_why_a_call_failed_is_outside_of_what_is_folded(state, reason):
    folded, _, rest = html(CallView("orders", {}, state, reason=reason)).partition("</details>")
    assert reason not in folded
    assert reason in rest


def test_data_that_cannot_be_shown_costs_only_itself():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    found = html(CallView("orders", {"deep": deep}, "done", deep))
    assert "Orders" in found
    assert "…" in found


def test_a_live_call_ends_as_the_stored_one():
    live = LiveCall(3, ToolInput("t-1", "orders", {"a": 1}))
    assert live.view().call == call_view(ToolCall(uid="t-1", name="orders", input={"a": 1}))
    live.take(ToolOutput("t-1", {"progress": "Asking"}, preliminary=True))
    assert live.view().call.progress == "Asking"
    live.take(ToolOutput("t-1", [7]))
    stored = ToolCall(uid="t-1", name="orders", input={"a": 1}, state="done", output=[7])
    assert live.view().call == call_view(stored)


@pytest.mark.parametrize(("state", "error"), [("failed", "No."), ("unknown", UNKNOWN)])
def test_a_live_call_that_fails_ends_as_the_stored_one(state, error):
    live = LiveCall(3, ToolInput("t-1", "orders", {}))
    live.take(ToolOutputError("t-1", error))
    assert live.view().call == call_view(ToolCall(uid="t-1", name="orders", state=state, error=error))


def test_a_call_is_rendered_once_for_all_readers_of_a_language():
    live = LiveCall(3, ToolInput("t-1", "orders", {}))
    first = live.chunk("a1", "de")
    assert live.chunk("a1", "de") is first
    assert live.chunk("a1", "en") is not first
    before = live.blocks
    live.take(ToolOutput("t-1", 1))
    assert live.blocks is not before
    assert live.chunk("a1", "de") is not first


@pytest.mark.parametrize("state", ["running", "done", "failed", "unknown"])
def test_what_a_site_and_a_model_write_is_escaped(state):
    view = CallView("<b>", {"a": "<i>"}, state, "<u>", "<s>", "<q>")
    assert not [tag for tag in ("<b>", "<i>", "<u>", "<s>", "<q>") if tag in html(view)]
