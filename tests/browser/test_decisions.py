"""Questions about calls on the page: asked, answered by a button, by keys, in another tab, without a script."""

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from chat.assistants import Assistant, tool
from chat.assistants.discovery import registry
from chat.errors import ERRORS
from chat.models import ToolCall
from tests.browser.test_accessibility import VIEWS, VISIBLE, violations

CANCELLED = []


class Default(Assistant):
    @tool(confirm=True, expires=timedelta(days=2))
    def cancel(self, number: str):
        """Cancel an order."""
        CANCELLED.append(number)
        return "cancelled"

    def confirm_cancel(self, number):
        return f"Cancel the order {number}?"


@pytest.fixture(autouse=True)
def assistant():
    CANCELLED.clear()
    with registry.replaced(Default):
        yield


def asks(chat, script, *numbers, text="Cancel it"):
    """Ask, and let the model call the tool, once for each number."""
    chat.ask(text)
    reply = script.next_reply()
    for number in numbers or ["B7"]:
        reply.call("cancel", number=number)
    reply.finish("tool-calls")
    expect(chat.answer).to_have_attribute("data-status", "waiting")
    chat.idle()


def button(chat, name):
    return chat.answer.get_by_role("button", name=name, exact=True)


def goes_on(chat, script, text="It is cancelled."):
    reply = script.next_reply()
    reply.say(text)
    reply.finish()
    expect(chat.answer).to_have_attribute("data-status", "complete")
    expect(chat.answer).to_contain_text(text)
    chat.idle()


def test_a_question_is_shown_with_its_arguments_and_allowed(chat, script):
    chat.open()
    asks(chat, script)
    expect(chat.answer).to_contain_text("Cancel the order B7?")
    expect(chat.answer.get_by_role("group", name="Input")).to_be_visible()
    expect(chat.answer).to_contain_text("Until ")
    expect(chat.status).to_have_text("Cancel the order B7? Waiting for your decision.")
    button(chat, "Allow").click()
    goes_on(chat, script)
    expect(chat.answers).to_have_count(1)
    expect(button(chat, "Allow")).to_have_count(0)
    assert CANCELLED == ["B7"]
    before = chat.answer.locator("[data-parts]").inner_text()
    chat.reload()
    assert chat.answer.locator("[data-parts]").inner_text() == before


def test_a_denial_by_keys_keeps_the_focus_in_the_answer(chat, script):
    chat.open()
    asks(chat, script)
    button(chat, "Deny").focus()
    assert chat.page.evaluate(VISIBLE)
    chat.page.keyboard.press("Enter")
    expect(chat.answer.locator(".llm-chat-call")).to_have_attribute("data-call", "denied")
    expect(chat.answer.locator("summary")).to_be_focused()
    goes_on(chat, script, "Then not.")
    assert CANCELLED == []


def test_a_double_click_is_one_decision(chat, script):
    chat.open()
    asks(chat, script)
    button(chat, "Allow").dblclick()
    goes_on(chat, script)
    assert (CANCELLED, script.waiting) == (["B7"], 0)


def test_a_question_waits_over_a_reload_and_in_the_list(chat, script, site, visit):
    chat.open()
    asks(chat, script)
    chat.reload()
    expect(button(chat, "Allow")).to_be_visible()
    line = chat.page.locator("[data-conversation][data-waiting]")
    expect(line).to_have_count(1)
    expect(line.get_by_text("Waiting for your decision")).to_have_count(1)
    button(chat, "Allow").click()
    expect(line).to_have_count(0)
    goes_on(chat, script)


def test_a_second_tab_shows_the_question_and_what_came_of_it(chat, script, site, visit):
    chat.open()
    chat.ask("Cancel it")
    reply = script.next_reply()
    path = f"/chat/{chat.conversation}/"
    other = visit(site.url).open(path)
    reply.call("cancel", number="A")
    reply.call("cancel", number="B")
    reply.finish("tool-calls")
    for tab in (chat, other):
        expect(button(tab, "Allow")).to_have_count(2)
        tab.idle()
    button(chat, "Deny").first.click()
    for tab in (chat, other):
        expect(button(tab, "Allow")).to_have_count(1)
        expect(tab.answer.locator("[data-call=denied]")).to_have_count(1)
        tab.idle()
    button(other, "Allow").click()
    reply = script.next_reply()
    reply.say("One of them.")
    reply.finish()
    for tab in (chat, other):
        expect(tab.answer).to_have_attribute("data-status", "complete")
        expect(tab.answer).to_contain_text("One of them.")
        expect(tab.answers).to_have_count(1)
    assert CANCELLED == ["B"]


def test_a_new_question_leaves_what_was_asked_behind(chat, script, site, visit):
    chat.open()
    asks(chat, script)
    chat.ask("Never mind")
    expect(chat.answers.first.locator(".llm-chat-call")).to_have_attribute("data-call", "denied")
    expect(chat.answers.first).to_have_attribute("data-status", "stopped")
    expect(chat.answers.first.get_by_role("button", name="Allow")).to_have_count(0)
    goes_on(chat, script, "Fine.")


def test_a_queued_question_is_not_sent_while_an_answer_waits(chat, script):
    chat.open()
    chat.ask("Cancel it")
    reply = script.next_reply()
    chat.ask("And then?")
    reply.call("cancel", number="B7")
    reply.finish("tool-calls")
    expect(chat.answer).to_have_attribute("data-status", "waiting")
    chat.idle()
    expect(chat.page.get_by_text("Not sent, because the last answer did not finish.")).to_be_visible()
    expect(chat.questions).to_have_count(1)
    button(chat, "Allow").click()
    reply = script.next_reply()
    reply.say("It is cancelled.")
    reply.finish()
    reply = script.next_reply()
    assert reply.request.messages[-1]["content"] == "And then?"
    # By now the last answer is the one to it.
    expect(chat.answers.first).to_have_attribute("data-status", "complete")
    expect(chat.answers.first).to_contain_text("It is cancelled.")
    reply.finish()


def test_a_decision_without_a_connection_is_not_lost(script, proxy, shaky):
    asks(shaky, script)
    shaky.stay_away()
    proxy.down()
    shaky.disconnected()
    button(shaky, "Allow").click()
    expect(shaky.page.get_by_text("That needs a connection. Try it again.")).to_be_visible()
    proxy.up()
    shaky.try_after(10)
    shaky.page.evaluate("() => dispatchEvent(new Event('online'))")
    shaky.connected()
    button(shaky, "Allow").click()
    goes_on(shaky, script)
    assert CANCELLED == ["B7"]


def test_an_answer_goes_on_while_the_connection_is_away(script, proxy, shaky):
    asks(shaky, script)
    button(shaky, "Allow").click()
    reply = script.next_reply()
    proxy.down()
    shaky.disconnected()
    reply.say("It is cancelled.")
    reply.finish()
    proxy.up()
    shaky.connected()
    expect(shaky.answer).to_contain_text("It is cancelled.")
    expect(shaky.answer).to_have_attribute("data-status", "complete")
    expect(shaky.answers).to_have_count(1)


def test_a_page_that_missed_a_decision_shows_it_when_it_is_asked_for_another(chat, script, site, visit):
    chat.open()
    asks(chat, script, "A", "B")
    other = visit(site.url).open(f"/chat/{chat.conversation}/")
    expect(button(other, "Allow")).to_have_count(2)
    other.page.evaluate("document.querySelector('llm-chat-events').remove()")
    button(chat, "Deny").first.click()
    expect(button(chat, "Allow")).to_have_count(1)
    button(other, "Allow").first.click()
    expect(other.page.get_by_text(ERRORS["conflict"].sentence)).to_be_visible()
    expect(other.answer.locator("[data-call=denied]")).to_have_count(1)
    button(other, "Allow").click()
    goes_on(other, script, "One of them.")
    assert CANCELLED == ["B"]


def test_a_tool_that_the_visitor_may_not_use_any_more_leaves_the_chat_as_it_is(chat, script, monkeypatch):
    chat.open()
    asks(chat, script)
    monkeypatch.setattr("chat.engine.decide.tools_for", permits_nothing)
    button(chat, "Allow").click()
    expect(chat.page.get_by_text(ERRORS["forbidden"].sentence)).to_be_visible()
    expect(chat.composer).to_be_visible()
    expect(button(chat, "Allow")).to_be_visible()
    chat.idle()
    chat.ask("Never mind")
    goes_on(chat, script, "Fine.")


async def permits_nothing(assistant):
    return {}


@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_on_a_question(script, site, visit, console, view):
    chat = visit(site.url, view, reduced_motion="reduce", **VIEWS[view]).open()
    field = chat.page.locator(".llm-chat-composer textarea")
    field.fill("Cancel it")
    field.press("Enter")
    reply = script.next_reply()
    reply.call("cancel", number="B7")
    reply.finish("tool-calls")
    expect(chat.answer).to_have_attribute("data-status", "waiting")
    assert violations(chat.page) == []
    chat.answer.locator("[data-decision] button").last.click()
    script.next_reply().finish()
    expect(chat.answer).to_have_attribute("data-status", "complete")
    assert violations(chat.page) == []
    assert console == []


@pytest.mark.parametrize(("name", "state"), [("Allow", "done"), ("Deny", "denied")])
def test_a_question_is_answered_without_a_script(script, site, new_context, name, state):
    page = new_context(java_script_enabled=False).new_page()
    page.goto(f"{site.url}/chat/")
    page.locator(".llm-chat-composer textarea").fill("Cancel it")
    page.get_by_role("button", name="Send").click()
    reply = script.next_reply()
    reply.call("cancel", number="B7")
    reply.finish("tool-calls")
    answer = page.locator("article[data-role=assistant]")
    expect(answer).to_have_count(1)
    while answer.get_attribute("data-status") != "waiting":
        page.reload()
    answer.get_by_role("button", name=name, exact=True).click()
    reply = script.next_reply()
    reply.say("So be it.")
    reply.finish()
    while answer.get_attribute("data-status") != "complete":
        page.reload()
    expect(answer.locator(".llm-chat-call")).to_have_attribute("data-call", state)
    expect(answer).to_contain_text("So be it.")
    assert [call.state for call in ToolCall.objects.all()] == [state]


def test_an_expired_question_has_no_buttons(chat, script):
    chat.open()
    asks(chat, script)
    call = ToolCall.objects.get()
    call.expires_at -= timedelta(days=3)
    call.save()
    chat.reload()
    expect(chat.answer.locator(".llm-chat-call")).to_have_attribute("data-call", "expired")
    expect(button(chat, "Allow")).to_have_count(0)
    chat.ask("And now?")
    goes_on(chat, script, "Ask again.")
    expect(chat.answers.first.locator(".llm-chat-call")).to_have_attribute("data-call", "expired")
