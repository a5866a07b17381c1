"""The page in Chromium, with a model that the test plays."""

import gzip
import re
from pathlib import Path

import pytest
from django.db import DatabaseError
from playwright.sync_api import expect

import chat as app
from chat.assistants import Assistant
from chat.assistants.discovery import registry
from chat.db.answers import finish
from chat.errors import ERRORS


def test_an_answer_grows_on_the_page_and_is_there_after_a_reload(chat, script):
    chat.ask("Why is the sky **blue**?")
    expect(chat.questions).to_have_text(re.compile(r"Why is the sky \*\*blue\*\*\?"))
    reply = script.next_reply()
    reply.say("Because of *scat")
    expect(chat.answer).to_contain_text("Because of *scat")
    reply.say("tering*.")
    expect(chat.answer.locator("em")).to_have_text("scattering")
    reply.finish()
    chat.expect_answer("Because of scattering.")
    expect(chat.page).to_have_url(re.compile(r"/chat/[\w-]+/$"))
    chat.reload()
    expect(chat.questions).to_have_count(1)
    chat.expect_answer("Because of scattering.")


def test_a_new_chat_is_empty_until_something_is_asked(chat, script):
    invitation = chat.page.get_by_text("What would you like to know?")
    for _ in range(2):
        expect(invitation).to_be_visible()
        chat.reload()
    chat.talk(script)
    # Which button is the tab stop depends on what was in focus.
    footers = """articles => articles.map((article) =>
        article.querySelector("footer").innerHTML.replaceAll(/ tabindex="-?\\d"/g, ""))"""
    shown = chat.answers.evaluate_all(footers)
    for _ in range(2):
        expect(invitation).to_be_hidden()
        assert chat.answers.evaluate_all(footers) == shown
        chat.reload()


def test_stop_keeps_the_text_and_says_so(chat, script):
    chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("So far")
    expect(chat.answer).to_contain_text("So far")
    chat.stop.click()
    chat.expect_answer("So far", status="stopped")
    expect(chat.answer).to_contain_text("Stopped.")
    expect(chat.send).to_be_visible()
    assert reply.closed.wait(5)


def test_escape_stops_too(chat, script):
    chat.ask("Tell me")
    script.next_reply().say("So far")
    expect(chat.answer).to_contain_text("So far")
    chat.composer.press("Escape")
    chat.expect_answer("So far", status="stopped")


def test_an_answer_that_was_broken_off_is_shown_as_interrupted_and_can_be_retried(chat, script, caplog):
    chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("Half")
    reply.break_off()
    chat.expect_answer("Half", status="interrupted")
    assert "ended as: interrupted" in caplog.text
    caplog.clear()
    expect(chat.answer).to_contain_text("The answer was interrupted.")
    chat.answer.get_by_role("button", name="Try again").click()
    reply = script.next_reply()
    assert [turn["content"] for turn in reply.request.messages] == ["Tell me"]
    reply.say("Whole")
    reply.finish()
    chat.expect_answer("Whole")
    expect(chat.answers).to_have_count(1)
    chat.reload()
    expect(chat.answers).to_have_count(1)
    chat.expect_answer("Whole")


def test_a_second_question_sends_the_history(chat, script):
    chat.ask("One")
    reply = script.next_reply()
    reply.say("Uno")
    reply.finish()
    chat.expect_answer("Uno")
    chat.ask("Two")
    assert [turn["content"] for turn in script.next_reply().request.messages] == ["One", "Uno", "Two"]


def test_the_list_shows_ones_conversations_and_a_new_one_can_be_begun(chat, script):
    chat.ask("First question")
    script.next_reply().finish()
    line = chat.page.get_by_role("link", name="First question", exact=True)
    expect(line).to_be_visible()
    chat.page.get_by_role("link", name="New chat").first.click()
    chat.connected()
    expect(chat.questions).to_have_count(0)
    line.click()
    chat.connected()
    expect(chat.questions).to_have_text(re.compile("First question"))


def test_the_page_says_that_the_model_is_being_loaded(chat, script):
    chat.ask("Tell me")
    reply = script.next_reply()
    reply.load()
    expect(chat.answer.get_by_text("Loading the model…")).to_be_visible()
    reply.loaded()
    reply.say("Here")
    expect(chat.answer.get_by_text("Loading the model…")).to_be_hidden()
    reply.finish()
    chat.expect_answer("Here")


def test_code_is_highlighted_when_its_fence_has_closed(chat, script):
    chat.ask("Code?")
    reply = script.next_reply()
    reply.say("```python\ndef f():\n")
    expect(chat.answer.locator("pre code")).to_have_text(re.compile(r"def f\(\):"))
    reply.say("    return 1\n```\n")
    expect(chat.answer.locator("pre code span.k").first).to_have_text("def")
    reply.finish()
    expect(chat.answer).to_have_attribute("data-status", "complete")
    live = chat.answer.locator("[data-blocks]").inner_html()
    chat.reload()
    assert chat.answer.locator("[data-blocks]").inner_html() == live


def test_no_answer_runs_a_script_or_loads_a_resource(chat, script, site):
    requests = []
    chat.page.on("request", lambda request: requests.append(request.url))
    chat.ask("Attack me")
    reply = script.next_reply()
    for piece in (
        "<img src=x onerror=alert(1)>",
        "\n\n<script>alert(1)</script>\n\n",
        "![x](http://127.0.0.1:1/a.png) [y](javascript:alert(1))",
    ):
        reply.say(piece)
    reply.finish()
    expect(chat.answer).to_have_attribute("data-status", "complete")
    expect(chat.answer).to_contain_text("<script>alert(1)</script>")
    assert chat.answer.locator("img, script, a[href^=javascript]").count() == 0
    assert [url for url in requests if not url.startswith((site.url, site.url.replace("http", "ws")))] == []


def test_scripts_and_styles_are_small_and_those_of_a_page_with_a_closed_widget_tiny():
    files = [path for path in (Path(app.__file__).parent / "static").rglob("*") if path.suffix in (".js", ".css")]
    assert len(files) > 10
    sizes = {path.name: len(gzip.compress(path.read_bytes())) for path in files}
    assert sizes.pop("widget.js") <= 3_000
    assert sizes.pop("widget.css") <= 1_000
    assert sum(sizes.values()) < 50_000  # of a page with a chat


def test_every_response_carries_the_security_policy(chat):
    policy = chat.page.request.get(chat.page.url).headers["content-security-policy"]
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "img-src": "'self'",
        "font-src": "'self'",
        "frame-src": "'self'",
        "manifest-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'self'",
    }


def test_every_answer_that_has_ended_offers_another_try(chat, script):
    chat.ask("One")
    reply = script.next_reply()
    reply.say("Uno")
    expect(chat.answer).to_contain_text("Uno")
    chat.stop.click()
    chat.expect_answer("Uno", status="stopped")
    expect(chat.page.get_by_role("button", name="Try again")).to_have_count(1)
    chat.ask("Two")
    script.next_reply().finish()
    expect(chat.answer).to_have_attribute("data-status", "complete")
    expect(chat.page.get_by_role("button", name="Try again")).to_have_count(2)


def test_another_visitor_sees_nothing_of_it(script, site, visit):
    ann, bob = visit(site.url, "ann").open(), visit(site.url, "bob")
    ann.ask("Mine")
    script.next_reply().finish()
    expect(ann.answer).to_have_attribute("data-status", "complete")
    bob.open(ann.page.url.removeprefix(site.url))
    expect(bob.questions).to_have_count(0)
    expect(bob.page.get_by_text("Mine")).to_have_count(0)


@pytest.mark.parametrize("code", ["auth", "rate_limited", "upstream", "timeout"])
def test_a_failure_is_a_sentence_with_a_retry_and_the_question_is_kept(script, site, visit, code):
    chat = visit(site.url).open()
    chat.ask("Tell me")
    script.next_reply().fail(code)
    expect(chat.answer).to_have_attribute("data-status", "failed")
    expect(chat.answer.get_by_role("button", name="Try again")).to_be_visible()
    chat.reload()
    expect(chat.questions).to_have_text(re.compile("Tell me"))
    expect(chat.answer).to_have_attribute("data-status", "failed")


END = {
    "complete": (lambda reply: reply.finish(), None, []),
    "cut": (
        lambda reply: reply.finish("length"),
        "The answer reached its limit and was cut off.",
        ["Continue", "Try again"],
    ),
    "failed": (lambda reply: reply.fail("upstream"), "The model is not available.", ["Continue", "Try again"]),
    "interrupted": (lambda reply: reply.break_off(), "The answer was interrupted.", ["Continue", "Try again"]),
}


def markup(answer):
    """The footer of an answer, but for its tab stop, which depends on what was in focus."""
    return re.sub(r' tabindex="-?\d"', "", answer.locator("[data-footer]").inner_html()).split()


@pytest.mark.parametrize("status", END)
@pytest.mark.parametrize("text", ["Half", ""])
def test_an_answer_says_how_it_ended_and_offers_the_next_step(script, site, visit, status, text):
    end, sentence, actions = END[status]
    if not text:
        actions = [action for action in actions if action != "Continue"]
        sentence = sentence or "The answer is empty."
    chat = visit(site.url).open()
    chat.ask("Tell me")
    reply = script.next_reply()
    if text:
        reply.say(text)
    end(reply)
    expect(chat.answer).to_have_attribute("data-status", status)
    footer = markup(chat.answer)
    for _ in range(2):
        chat.expect_answer(text, status)
        if sentence:
            expect(chat.answer.locator("[data-footer]")).to_contain_text(sentence)
        expect(chat.answer.locator(".llm-chat-action")).to_have_text(actions)
        chat.reload()
    assert markup(chat.answer) == footer


def test_a_stopped_answer_says_so_and_can_be_gone_on_with(chat, script):
    chat.ask("Tell me")
    script.next_reply().say("Half")
    expect(chat.answer).to_contain_text("Half")
    chat.stop.click()
    chat.expect_answer("Half", status="stopped")
    expect(chat.answer).to_contain_text("Stopped.")
    expect(chat.answer.locator(".llm-chat-action")).to_have_text(["Continue", "Try again"])


@pytest.fixture
def away(monkeypatch):
    """The database takes no answer's end, until the list is empty."""
    away = [True]

    def fail_while_away(*args):
        if away:
            raise DatabaseError("away")
        return finish(*args)

    monkeypatch.setattr("chat.engine.run.finish", fail_while_away)
    monkeypatch.setattr("chat.engine.heartbeat.finish", fail_while_away)
    return away


def test_an_answer_that_could_not_be_saved_says_so_until_it_could(script, site, visit, away):
    chat = visit(site.url).open()
    chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("Whole")
    reply.finish()
    chat.expect_answer("Whole", status="failed")
    expect(chat.answer).to_contain_text(ERRORS["not_saved"].sentence)
    expect(chat.answer.locator(".llm-chat-action")).to_have_text(["Try again"])
    away.clear()
    chat.expect_answer("Whole")
    expect(chat.answer.locator(".llm-chat-action")).to_have_count(0)


@pytest.mark.parametrize(
    ("status", "shown", "told"),
    [("saving", "Saving…", "Saving the answer…"), ("reconnecting", "Reconnecting…", "Reconnecting…")],
)
def test_the_page_shows_the_reason_why_an_answer_waits(chat, script, status, shown, told):
    chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("Here")
    expect(chat.answer).to_contain_text("Here")
    note, voice = chat.answer.locator(".llm-chat-waiting"), chat.page.locator("llm-chat-announcer [role=status]")
    chat.receive({"type": "data-status", "data": {"status": status}})
    expect(note.get_by_text(shown)).to_be_visible()
    expect(voice).to_have_text(told)
    chat.receive({"type": "data-status", "data": {"status": "waiting"}})
    expect(note).to_be_hidden()
    expect(voice).to_have_text("")
    chat.receive({"type": "data-status", "data": {"status": status}})
    reply.finish()
    chat.expect_answer("Here")
    expect(note).to_be_hidden()
    expect(voice).to_have_text("Here")
    expect(chat.page.locator(f"llm-chat-transcript[{status}]")).to_have_count(0)  # the next answer waits for nothing


def test_the_page_says_that_a_whole_answer_is_being_saved(script, site, visit, settings, away):
    settings.CHAT = {**settings.CHAT, "SAVE_TIMEOUT": 30.0}
    chat = visit(site.url).open()
    chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("Whole")
    reply.finish()
    expect(chat.answer.locator(".llm-chat-waiting").get_by_text("Saving…")).to_be_visible()
    away.clear()
    chat.expect_answer("Whole")
    expect(chat.answer.locator(".llm-chat-waiting")).to_be_hidden()


class Support(Assistant):
    """Helps customers."""

    instructions = "You support."


class Sales(Assistant):
    """Sells."""

    instructions = "You sell."


def test_an_assistant_is_chosen_before_the_first_question_and_stays(chat, script):
    with registry.replaced(Support, Sales):
        chat.reload()
        chat.page.get_by_role("link", name="Sales").click()
        expect(chat.page.get_by_role("link", name="Sales")).to_have_attribute("aria-current", "true")
        chat.page.locator("llm-chat-connection[connected]").wait_for(state="attached")
        chat.ask("One")
        reply = script.next_reply()
        assert reply.request.messages[0]["content"] == "You sell."
        reply.say("Uno")
        reply.finish()
        chat.expect_answer("Uno")
        expect(chat.page.locator(".llm-chat-assistants")).to_be_hidden()
        chat.reload()
        chat.ask("Two")
        reply = script.next_reply()
        assert reply.request.messages[0]["content"] == "You sell."
        reply.finish()
