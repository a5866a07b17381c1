"""No branch of a conversation is ever lost: a picker leads to each, and the one that one leaves is found again."""

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from chat.models import Message

LINES = "\n\n".join(f"Paragraph {number} of a long text." for number in range(40))


def retried(chat, script, *texts):
    """One question with several answers, of which the last is shown."""
    chat.talk(script, "Tell me", texts[0])
    for text in texts[1:]:
        chat.click("Try again")
        reply = script.next_reply()
        reply.say(text)
        reply.finish()
        expect(chat.answer).to_have_attribute("data-status", "complete")
        chat.idle()


def edited(chat, script, text, answer):
    question = chat.questions.first
    question.hover()
    chat.click("Edit", question)
    question.get_by_role("textbox").fill(text)
    question.get_by_role("textbox").press("Enter")
    reply = script.next_reply()
    reply.say(answer)
    reply.finish()
    chat.expect_answer(answer)
    chat.idle()


def place(chat, article=None):
    return (article or chat.answer).locator(".llm-chat-count").inner_text()


def test_each_answer_to_a_question_is_a_click_away(chat, script):
    retried(chat, script, "Uno", "Eins", "One")
    assert place(chat) == "3/3"
    previous, following = (chat.answer.get_by_role("button", name=f"{name} answer") for name in ("Previous", "Next"))
    expect(following).to_be_disabled()
    previous.click()
    chat.expect_answer("Eins")
    assert place(chat) == "2/3"
    expect(chat.answer).to_contain_text("2 of 3")
    expect(previous).to_be_focused()
    previous.click()
    chat.expect_answer("Uno")
    expect(previous).to_be_disabled()
    expect(following).to_be_focused()
    expect(chat.questions).to_have_count(1)
    expect(chat.answers).to_have_count(1)
    chat.reload()
    chat.expect_answer("Uno")
    chat.ask("More")
    assert [turn["content"] for turn in script.next_reply().request.messages] == ["Tell me", "Uno", "More"]


def test_each_version_of_a_question_has_its_own_answers(chat, script):
    chat.talk(script, "One", "Uno")
    chat.talk(script, "Two", "Dos")
    edited(chat, script, "Other", "Otro")
    question = chat.questions.first
    assert place(chat, question) == "2/2"
    chat.click("Previous version of the question", question)
    expect(chat.questions).to_have_text([re.compile("One"), re.compile("Two")])
    expect(chat.answers).to_have_text([re.compile("Uno"), re.compile("Dos")])
    chat.click("Next version of the question", question)
    expect(chat.questions).to_have_text([re.compile("Other")])
    chat.expect_answer("Otro")
    chat.reload()
    chat.expect_answer("Otro")
    assert Message.objects.count() == 6


def test_an_edit_back_to_an_earlier_text_shows_that_branch(chat, script):
    chat.talk(script, "One", "Uno")
    edited(chat, script, "Other", "Otro")
    question = chat.questions.first
    question.hover()
    chat.click("Edit", question)
    question.get_by_role("textbox").fill("One")
    question.get_by_role("textbox").press("Enter")
    chat.idle()
    expect(chat.questions).to_have_text([re.compile("One")])
    expect(chat.answers).to_have_count(1)
    expect(chat.page.get_by_text("Sending…")).to_have_count(0)


def test_the_message_stays_where_it_was_when_its_branch_is_another(chat, script):
    retried(chat, script, LINES, "Short\n\n" + LINES)
    chat.ask("More")
    reply = script.next_reply()
    reply.say(LINES)
    reply.finish()
    chat.idle()
    answer = chat.answers.first
    answer.locator(".llm-chat-picker").scroll_into_view_if_needed()
    answer.evaluate("article => { article.closest('[role=log]').scrollTop = article.offsetTop + 40 }")
    before = chat.place(answer)
    chat.page.evaluate("""() => {
      const picker = document.querySelector("article[data-role=assistant] [title='Previous answer']");
      picker.focus({ preventScroll: true });
      picker.click();
    }""")
    expect(chat.answers).to_have_count(1)
    expect(chat.answers.first).not_to_contain_text("Short")
    assert abs(chat.place(chat.answers.first) - before) < 1


def test_a_branch_that_is_chosen_in_one_tab_is_shown_in_the_other(script, site, visit):
    first = visit(site.url).open("/chat/shared/")
    retried(first, script, "Uno", "Eins")
    second = visit(site.url).open("/chat/shared/").settled()
    second.expect_answer("Eins")
    first.click("Previous answer")
    first.expect_answer("Uno")
    second.expect_answer("Uno")
    expect(second.answers).to_have_count(1)


def test_while_an_answer_runs_no_other_branch_is_offered(chat, script):
    retried(chat, script, "Uno", "Eins")
    chat.ask("More")
    reply = script.next_reply()
    expect(chat.answers.first.get_by_role("button", name="Previous answer")).to_have_count(0)
    expect(chat.answers.first.locator(".llm-chat-count")).to_be_visible()
    reply.finish()
    expect(chat.answers.first.get_by_role("button", name="Previous answer")).to_be_visible()


def test_without_a_connection_the_branch_stays_and_a_sentence_says_why(script, proxy, shaky):
    retried(shaky, script, "Uno", "Eins")
    shaky.stay_away()
    proxy.down()
    shaky.disconnected()
    shaky.click("Previous answer")
    expect(shaky.page.get_by_text("That needs a connection.")).to_be_visible()
    shaky.expect_answer("Eins")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_picker_is_accessible(script, site, visit, scheme):
    chat = visit(site.url, color_scheme=scheme).open()
    retried(chat, script, "Uno", "Eins")
    assert Axe().run(chat.page).response["violations"] == []
