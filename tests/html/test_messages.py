"""Messages as rendered by the templates."""

import pytest
from django.template.loader import render_to_string
from django.test import override_settings
from django.utils import timezone
from django.utils.translation import override
from msgspec import UNSET

from chat.endings import COMPLETE, CUT, FILTERED, INTERRUPTED, NOT_SAVED, STOPPED, failed
from chat.html.message_chunks import message_chunk, message_end_chunk, message_html, part_chunk
from chat.html.messages import PartView, conversation_view, message_view
from chat.models import Conversation, Message
from tests.conftest import chat_settings


def message(**fields):
    return Message(**{"uid": "a1", "role": "assistant", "status": "complete", "created_at": timezone.now(), **fields})


def test_a_question_is_one_block_of_plain_text():
    view = message_view(message(role="user", text="<b> & *x*"))
    assert [list(part.blocks) for part in view.parts] == [["&lt;b&gt; &amp; *x*"]]


def test_an_answer_is_rendered_part_by_part():
    parts = [{"type": "reasoning", "text": "Hm."}, {"type": "text", "text": "*So.*"}]
    view = message_view(message(parts=parts))
    assert [(part.index, part.kind, list(part.blocks)) for part in view.parts] == [
        (0, "reasoning", ["<p>Hm.</p>"]),
        (1, "text", ["<p><em>So.</em></p>"]),
    ]


@pytest.mark.parametrize(
    ("ending", "status", "said"),
    [
        (COMPLETE, "complete", "The answer is empty."),
        (CUT, "cut", "cut off"),
        (FILTERED, "complete", "The answer was filtered by the model's provider."),
        (STOPPED, "stopped", "Stopped."),
        (failed("timeout"), "failed", "The model took too long to answer."),
        (INTERRUPTED, "interrupted", "The answer was interrupted."),
    ],
)
def test_every_ending_is_described_below_the_message(ending, status, said):
    chunk = message_end_chunk(message_view(message(status="running")), ending)
    assert chunk.data.status == status
    assert said in chunk.data.html


@pytest.mark.parametrize(
    "parts",
    [
        [{"type": "text", "text": "\n\n"}],
        [{"type": "text", "text": " \t "}],
        [{"type": "text", "text": "\u200b\n\n\u2060\u00a0"}],
        [{"type": "reasoning", "text": "Let me see."}],
        [{"type": "reasoning", "text": "Let me see."}, {"type": "text", "text": "\n"}],
        [],
    ],
)
def test_b18_an_answer_without_a_word_is_called_empty_and_has_nothing_to_copy_or_rate(parts):
    answer = message(parts=parts, finish_reason="stop")
    for html in (
        message_html(message_view(answer)),
        message_end_chunk(message_view(answer), COMPLETE).data.html,
    ):
        assert "The answer is empty." in html
        assert 'data-action="retry"' in html
        assert 'data-action="copy"' not in html
        assert 'data-action="rate"' not in html


def test_b18_an_answer_with_a_word_can_be_copied_and_rated():
    html = message_html(message_view(message(parts=[{"type": "text", "text": "\n\nSo."}], finish_reason="stop")))
    assert "The answer is empty." not in html
    assert 'data-action="copy"' in html
    assert html.count('data-action="rate"') == 2


@pytest.mark.parametrize(
    ("parts", "headings"),
    [
        ([{"type": "reasoning", "text": "Hm."}], ["Thinking"]),
        ([{"type": "reasoning", "text": "Hm.", "seconds": 12.3}], ["Thought for 12 s"]),
        ([{"type": "reasoning", "text": "Hm."}, {"type": "text", "text": "So"}], ["Reasoning"]),
        ([{"type": "text", "text": "So"}, {"type": "reasoning", "text": "Hm."}], ["Thinking"]),
    ],
)
def test_the_checkpoint_of_a_running_answer_thinks_at_its_end_only(parts, headings):
    html = message_html(message_view(message(status="running", parts=parts)))
    known = ("Thinking", "Thought for 12 s", "Reasoning")
    assert [heading for heading in known if f">{heading}" in html] == headings
    assert ('<details class="llm-chat-reasoning" open>' in html) is (headings == ["Thinking"])


def test_an_ended_answer_does_not_think_even_if_nobody_knows_for_how_long_it_did():
    html = message_html(message_view(message(status="interrupted", parts=[{"type": "reasoning", "text": "Hm."}])))
    assert ">Reasoning" in html
    assert "llm-chat-thinking" not in html


def test_the_buttons_of_a_message_are_named_by_its_first_words():
    question = message_html(message_view(message(role="user", text='Is 1 < 2 & "so"?')))
    assert 'aria-label="Your message: Is 1 &lt; 2 &amp; &quot;so&quot;?"' in question
    parts = [{"type": "reasoning", "text": "Hm."}, {"type": "text", "text": "*Because* " + "of this " * 20}]
    assert 'aria-label="Answer: Because of this ' in message_html(message_view(message(parts=parts)))
    assert 'aria-label="Answer"' in message_html(message_view(message(status="failed", error="timeout")))


def test_an_answer_names_its_model_unless_the_site_hides_it(settings):
    answer = message(model="Qwen/Qwen3-8B", parts=[{"type": "text", "text": "So."}])
    assert ">Qwen3-8B<" in message_html(message_view(answer))
    settings.CHAT = chat_settings(SHOW_MODEL=False)
    assert "Qwen" not in message_html(message_view(answer))


def test_a_long_question_is_folded_and_a_long_answer_is_not():
    text = "line\n" * 20
    assert "data-fold" in message_html(message_view(message(role="user", text=text)))
    assert "data-fold" not in message_html(message_view(message(role="user", text="line")))
    assert "data-fold" not in message_html(message_view(message(parts=[{"type": "text", "text": text}])))


def test_a_message_chunk_has_a_place_only_if_one_is_given():
    view = message_view(message())
    assert message_chunk(view).data.after is UNSET
    assert message_chunk(view, after=None).data.after is None
    assert message_chunk(view, after="m1").data.after == "m1"


@pytest.mark.parametrize("attack", ['"><script>alert(1)</script>', "<img src=x onerror=alert(1)>"])
def test_ids_and_titles_are_escaped(attack):
    assert attack not in message_chunk(message_view(message(uid=attack))).data.html


@pytest.mark.parametrize("running", [True, False])
def test_the_list_shows_whether_an_answer_runs(running):
    conversation = Conversation(uid="c1", title="One", running_id=1 if running else None)
    html = render_to_string("llm_chat/conversation_item.html", {"item": conversation_view(conversation)})
    assert (" data-running" in html) is running
    assert 'href="/chat/c1/options/"' in html


def test_without_the_apps_urls_conversations_have_no_addresses():
    conversation = Conversation(uid="c1", title="One")
    assert conversation_view(conversation).url == "/chat/c1/"
    with override_settings(ROOT_URLCONF=()):
        assert conversation_view(conversation).url == ""


@pytest.mark.parametrize(
    ("ending", "parts", "offered"),
    [
        (STOPPED, [{"type": "text", "text": "Half"}], True),
        (CUT, [{"type": "text", "text": "Half"}], True),
        (INTERRUPTED, [{"type": "text", "text": "Half"}], True),
        (NOT_SAVED, [{"type": "text", "text": "Whole"}], False),
        (failed("timeout"), [], False),
        (failed("timeout"), [{"type": "reasoning", "text": "Hm."}], False),
        (COMPLETE, [{"type": "text", "text": "Whole"}], False),
    ],
)
def test_only_a_stored_text_that_broke_off_can_be_continued(ending, parts, offered):
    chunk = message_end_chunk(message_view(message(status="running", parts=parts)), ending)
    assert ('data-action="continue"' in chunk.data.html) is offered


def test_an_answer_names_the_attempt_that_asked_for_it():
    assert 'data-attempt="try-1"' in message_chunk(message_view(message(attempt="try-1"))).data.html
    assert "data-attempt" not in message_chunk(message_view(message())).data.html


def test_times_are_formatted_for_the_language():
    at = timezone.now().replace(hour=15, minute=5)
    written = {
        language: message_chunk(message_view(message(created_at=at)), language=language).data.html
        for language in ("en", "de", "fr")
    }
    assert ">3:05 p.m.<" in written["en"]
    assert ">15:05<" in written["de"]
    assert ">15:05<" in written["fr"]


def test_a_view_is_rendered_in_any_language_whatever_was_active_when_it_was_made():
    with override("fr"):
        view = message_view(message(status="failed", error="timeout"))
    assert "zu lange" in message_chunk(view, language="de").data.html
    assert "too long" in message_chunk(view, language="en").data.html
    with override("fr"):
        assert "trop de temps" in message_chunk(view).data.html


def test_every_piece_of_markup_is_in_the_language_of_its_page():
    assert "Gedankengang" in part_chunk("a1", PartView(0, "reasoning"), "de").data.html
    assert "Angehalten." in message_end_chunk(message_view(message()), STOPPED, "de").data.html
