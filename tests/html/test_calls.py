"""A call as a template shows it."""

import pytest
from django.template.loader import render_to_string
from django.utils.translation import override

from chat.assistants.calling import BUSY, FAILED
from chat.chunks import ToolInput, ToolOutput, ToolOutputError
from chat.db.calls import UNKNOWN
from chat.engine.calls import NO_TOOL
from chat.html.calls import _SENTENCES, CallView, call_view
from chat.html.live_calls import LiveCall
from chat.models import ToolCall


def html(view):
    return render_to_string(list(view.templates), {"call": view})


def test_the_app_translates_every_sentence_of_its_own():
    assert {BUSY, FAILED, UNKNOWN, NO_TOOL} == set(_SENTENCES)


@pytest.mark.parametrize("sentence", _SENTENCES)
def test_its_own_sentences_are_shown_in_the_language_of_the_page(sentence):
    with override("de"):
        assert CallView("orders", {}, "failed", reason=sentence).error != sentence
        assert CallView("orders", {}, "failed", reason="No such order.").error == "No such order."


def test_a_name_is_shown_in_words():
    assert CallView("see_my-orders", {}).label == "See my orders"


@pytest.mark.parametrize(
    ("name", "templates"),
    [
        ("orders", ["llm_chat/tools/orders.html", "llm_chat/tools/default.html"]),
        ("../secret", ["llm_chat/tools/default.html"]),
        ("a/b", ["llm_chat/tools/default.html"]),
        ("", ["llm_chat/tools/default.html"]),
    ],
)
def test_a_site_may_have_a_template_of_each_tool(name, templates):
    assert list(CallView(name, {}).templates) == templates


def test_input_and_output_are_shown_as_json_and_texts_as_they_are():
    view = CallView("orders", {"status": "open"}, "done", [1])
    assert (view.input_text, view.output_text) == ('{\n  "status": "open"\n}', "[\n  1\n]")
    assert CallView("orders", {}, "done", "So.").output_text == "So."
    assert CallView("orders", {}, "done").output_text == ""
    assert CallView("orders", {}, "done", 0).output_text == "0"


def test_a_live_call_ends_as_the_stored_one():
    live = LiveCall(3, ToolInput("t-1", "orders", {"a": 1}))
    assert live.view().call == call_view(ToolCall(name="orders", input={"a": 1}))
    live.take(ToolOutput("t-1", {"progress": "Asking"}, preliminary=True))
    assert live.view().call.progress == "Asking"
    live.take(ToolOutput("t-1", [7]))
    assert live.view().call == call_view(ToolCall(name="orders", input={"a": 1}, state="done", output=[7]))


@pytest.mark.parametrize(("state", "error"), [("failed", "No."), ("unknown", UNKNOWN)])
def test_a_live_call_that_fails_ends_as_the_stored_one(state, error):
    live = LiveCall(3, ToolInput("t-1", "orders", {}))
    live.take(ToolOutputError("t-1", error))
    assert live.view().call == call_view(ToolCall(name="orders", state=state, error=error))


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
