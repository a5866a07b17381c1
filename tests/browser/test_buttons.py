"""A site's own buttons in the templates of its tools: live, after a reload, in a second tab, without a script."""

import pytest
from playwright.sync_api import expect

from chat.assistants import Assistant, tool
from chat.assistants.discovery import registry
from tests.browser.test_accessibility import VISIBLE, violations
from tests.support.templates import OwnTemplates

CANCELLED = []
TEMPLATE = """{% load llm_chat %}{% for number in call.output %}<p>{{ number }}
{% tool_button "cancel" number=number %}Cancel {{ number }}{% endtool_button %}
{% tool_button "note" answer=False number=number %}Note {{ number }}{% endtool_button %}</p>{% endfor %}"""


class Default(Assistant):
    @tool
    def orders(self):
        """The customer's orders."""
        return ["B7", "B8"]

    @tool
    def cancel(self, number: str):
        """Cancel an order."""
        CANCELLED.append(number)
        return "cancelled"

    @tool
    def note(self, number: str):
        """Note an order."""
        return "noted"


@pytest.fixture(autouse=True)
def assistant(settings, tmp_path):
    CANCELLED.clear()
    OwnTemplates(settings, tmp_path).tool("orders.html", TEMPLATE)
    with registry.replaced(Default):
        yield


def lists(chat, script):
    """Ask, and be shown the orders."""
    chat.ask("My orders?")
    reply = script.next_reply()
    reply.call("orders")
    reply.finish("tool-calls")
    goes_on(chat, script, "These.")


def goes_on(chat, script, text):
    reply = script.next_reply()
    reply.say(text)
    reply.finish()
    expect(chat.answer).to_contain_text(text)
    expect(chat.answer).to_have_attribute("data-status", "complete")
    chat.idle()


def button(chat, name):
    return chat.page.get_by_role("button", name=name, exact=True)


@pytest.mark.parametrize("reloaded", [False, True])
def test_a_press_is_a_question_that_the_tool_answers_first(chat, script, reloaded):
    chat.open()
    lists(chat, script)
    if reloaded:
        chat.reload()
    assert violations(chat.page) == []
    button(chat, "Cancel B8").focus()
    assert chat.page.evaluate(VISIBLE)
    chat.page.keyboard.press("Enter")
    expect(chat.questions.last).to_contain_text("Cancel B8")
    goes_on(chat, script, "It is cancelled.")
    expect(chat.answer.locator("[data-call=done]")).to_contain_text("cancelled")
    assert CANCELLED == ["B8"]


def test_a_double_click_is_one_press(chat, script):
    chat.open()
    lists(chat, script)
    button(chat, "Cancel B7").dblclick()
    goes_on(chat, script, "It is cancelled.")
    expect(chat.questions).to_have_count(2)
    expect(chat.page.locator("llm-chat-announcer[problem]")).to_have_count(0)
    assert (CANCELLED, script.waiting) == (["B7"], 0)


def test_a_press_without_an_answer_shows_what_the_tool_did(chat, script):
    chat.open()
    lists(chat, script)
    button(chat, "Note B7").click()
    expect(chat.answers).to_have_count(2)
    expect(chat.answer).to_have_attribute("data-status", "complete")
    expect(chat.answer.locator("[data-call=done]")).to_contain_text("noted")
    expect(chat.answer).not_to_contain_text("The answer is empty.")
    assert script.waiting == 0


def test_a_second_tab_shows_the_press(chat, script, site, visit):
    chat.open()
    lists(chat, script)
    other = visit(site.url).open(f"/chat/{chat.conversation}/")
    button(other, "Cancel B7").click()
    goes_on(other, script, "It is cancelled.")
    expect(chat.questions.last).to_contain_text("Cancel B7")
    expect(chat.answer).to_contain_text("It is cancelled.")


def test_a_press_while_an_answer_runs_says_so(chat, script):
    chat.open()
    lists(chat, script)
    chat.ask("And?")
    reply = script.next_reply()
    button(chat, "Cancel B7").click()
    expect(chat.page.get_by_text("An answer is already running in this conversation.")).to_be_visible()
    reply.say("Well.")
    reply.finish()
    chat.idle()
    assert CANCELLED == []


def test_a_button_works_without_a_script(script, site, new_context):
    page = new_context(java_script_enabled=False).new_page()
    page.goto(f"{site.url}/chat/")
    page.locator(".llm-chat-composer textarea").fill("My orders?")
    page.get_by_role("button", name="Send").click()
    reply = script.next_reply()
    reply.call("orders")
    reply.finish("tool-calls")
    script.next_reply().finish()
    answers = page.locator("article[data-role=assistant]")
    while answers.last.get_attribute("data-status") != "complete":
        page.reload()
    page.get_by_role("button", name="Cancel B7", exact=True).click()
    reply = script.next_reply()
    reply.say("It is cancelled.")
    reply.finish()
    while answers.last.get_attribute("data-status") != "complete":
        page.reload()
    expect(answers).to_have_count(2)
    expect(answers.last).to_contain_text("It is cancelled.")
    assert CANCELLED == ["B7"]
