"""The page in a browser that runs no scripts."""

import re

import pytest
from playwright.sync_api import expect

from chat.assistants import Assistant, Starter
from chat.assistants.discovery import registry
from chat.errors import ERRORS
from tests.browser.conftest import Chat


@pytest.fixture
def plain(script, site, new_context, console):
    """A new chat in such a browser; nothing may be said in its console."""
    page = new_context(java_script_enabled=False).new_page()
    page.on("console", lambda message: console.append(f"{message.type}: {message.text}"))
    page.goto(f"{site.url}/chat/")
    yield Chat(page, site.url)
    assert console == []


def ask(chat, text):
    chat.composer.fill(text)
    chat.send.click()


def test_a_question_is_sent_and_the_page_shows_the_answer_when_it_has_come(plain, script):
    ask(plain, "Why is the sky **blue**?")
    expect(plain.page).to_have_url(re.compile(r"/chat/[\w-]+/$"))
    expect(plain.questions).to_contain_text("Why is the sky **blue**?")
    expect(plain.composer).to_have_value("")
    reply = script.next_reply()
    reply.say("Because of *scattering*.")
    reply.finish()
    plain.expect_answer("Because of scattering.")
    expect(plain.answer.locator("em")).to_have_text("scattering")
    expect(plain.page.get_by_role("link", name="Why is the sky **blue**?", exact=True)).to_be_visible()
    expect(plain.stop).to_have_count(0)
    expect(plain.page.locator("meta[http-equiv]")).to_have_count(0)


def test_a_starter_is_sent(plain, script):
    class Default(Assistant):
        starters = (Starter("Where is my parcel?"),)

    with registry.replaced(Default):
        plain.page.reload()
        plain.page.get_by_role("button", name="Where is my parcel?").click()
        reply = script.next_reply()
        assert reply.request.messages == [{"role": "user", "content": "Where is my parcel?"}]
        reply.finish()


def test_an_answer_grows_with_each_refresh_and_is_stopped(plain, script):
    ask(plain, "Tell me")
    reply = script.next_reply()
    reply.say("So far")
    expect(plain.answer).to_contain_text("So far")
    expect(plain.answer).to_have_attribute("data-status", "running")
    plain.stop.click()
    assert reply.closed.wait(5)
    plain.expect_answer("So far", status="stopped")
    expect(plain.answer).to_contain_text("Stopped.")


def test_a_long_question_can_be_unfolded(plain, script):
    ask(plain, "\n".join(f"line {number}" for number in range(40)))
    script.next_reply().finish()
    text = plain.questions.locator("[data-blocks]")
    folded = text.bounding_box()["height"]
    plain.questions.get_by_text("Show more").click()
    assert text.bounding_box()["height"] > 2.5 * folded


def test_nothing_is_shown_that_would_need_a_script(plain, script):
    ask(plain, "Tell me")
    reply = script.next_reply()
    reply.say("```python app.py\nx = 1\n```\n\n| a |\n|---|\n| b |\n")
    reply.fail("upstream")
    expect(plain.answer).to_contain_text(ERRORS["upstream"].sentence)
    for button in plain.page.locator(".llm-chat").get_by_role("button").all():
        expect(button).to_have_text(re.compile("Send"))
    label = plain.answer.locator("llm-chat-box").first.evaluate("box => getComputedStyle(box, '::before').content")
    assert label == '"python app.py"'
    expect(plain.page.get_by_text("JavaScript")).to_have_count(0)


def test_while_the_page_refreshes_itself_nothing_can_be_typed_that_would_be_lost(plain, script):
    ask(plain, "One")
    reply = script.next_reply()
    expect(plain.stop).to_be_visible()
    expect(plain.composer).to_be_hidden()
    reply.finish()
    expect(plain.composer).to_be_visible()


def test_a_question_from_another_tab_during_an_answer_is_refused_and_kept(plain, script, site, console):
    ask(plain, "One")
    reply = script.next_reply()
    reply.say("Uno")
    reply.finish()
    expect(plain.composer).to_be_visible()
    other = Chat(plain.page.context.new_page(), site.url)
    other.page.goto(plain.page.url)
    ask(plain, "Two")
    reply = script.next_reply()
    reply.say("Dos")
    ask(other, "Three")
    expect(other.page.get_by_role("alert").filter(has_text=ERRORS["busy"].sentence)).to_be_visible()
    expect(other.stop).to_be_visible()
    expect(other.page.get_by_role("textbox", name="Message", exact=True)).to_have_value("Three")
    reply.finish()
    expect(plain.composer).to_be_visible()
    other.send.click()
    expect(other.questions).to_have_count(3)
    assert [turn["content"] for turn in script.next_reply().request.messages] == [
        *("One", "Uno", "Two", "Dos", "Three")
    ]


def test_a_conversation_is_renamed_found_saved_and_deleted(plain, script):
    page = plain.page
    ask(plain, "What grows on trees?")
    reply = script.next_reply()
    reply.say("Leaves <b>and</b> apples.")
    reply.finish()
    plain.expect_answer("Leaves <b>and</b> apples.")
    page.get_by_role("link", name="Options for “What grows on trees?”").click()
    page.get_by_label("Title").fill("Trees")
    page.get_by_role("button", name="Rename").click()
    plain.expect_answer("Leaves <b>and</b> apples.")
    expect(page).to_have_title("Trees")
    page.get_by_role("searchbox").fill("apples leaves")
    page.get_by_role("searchbox").press("Enter")
    expect(page.locator("mark")).to_have_text(["Leaves", "apples"])
    page.locator("[data-result]").get_by_role("link", name="Trees", exact=True).click()
    expect(page.locator("#llm-chat-hit")).to_be_visible()
    page.get_by_role("link", name="Options for “Trees”").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Save as Markdown").click()
    assert download.value.suggested_filename == "Trees.md"
    page.get_by_role("button", name="Delete").click()  # the browser asks for the box to be checked
    expect(page.get_by_role("checkbox")).to_be_visible()
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Delete").click()
    expect(page.locator("[data-conversation]")).to_have_count(0)
    expect(plain.questions).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("[data-conversation]")).to_have_count(1)
