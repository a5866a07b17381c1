"""A question that is sent while an answer runs waits for its end, where the visitor sees it, and is sent once."""

import re

import pytest
from playwright.sync_api import expect

from chat.models import Message


def queued(chat):
    return chat.page.locator("[data-queued]")


def press(chat, name, number=0):
    queued(chat).nth(number).get_by_role("button", name=name).click()


def running(chat, script, question="One", text="Uno"):
    """Ask, and return the reply when its first words are on the page."""
    chat.ask(question)
    reply = script.next_reply()
    reply.say(text)
    expect(chat.answer).to_contain_text(text)
    return reply


def asked():
    return [message.text for message in Message.objects.filter(role="user").order_by("pk")]


def test_questions_that_are_sent_while_an_answer_runs_are_sent_one_after_the_other(chat, script):
    reply = running(chat, script)
    chat.ask("Two")
    chat.ask("Three")
    expect(chat.composer).to_have_value("")
    expect(queued(chat)).to_have_text([re.compile("Two"), re.compile("Three")])
    expect(chat.page.get_by_text("Queued. Sent after this answer.")).to_be_visible()
    expect(chat.status).to_have_text("Queued")
    assert script.waiting == 0
    reply.finish()
    reply = script.next_reply()
    assert [turn["content"] for turn in reply.request.messages] == ["One", "Uno", "Two"]
    expect(queued(chat)).to_have_text([re.compile("Three")])
    reply.say("Dos")
    reply.finish()
    reply = script.next_reply()
    assert reply.request.messages[-1]["content"] == "Three"
    reply.say("Tres")
    reply.finish()
    chat.expect_answer("Tres")
    chat.idle()
    expect(chat.page.locator("llm-chat-queue")).to_be_hidden()
    assert asked() == ["One", "Two", "Three"]


def test_a_queued_question_comes_back_to_the_field_before_what_is_written_there(chat, script):
    reply = running(chat, script)
    chat.ask("Two")
    chat.composer.fill("Something else")
    press(chat, "Edit")
    expect(chat.composer).to_have_value("Two\n\nSomething else")
    expect(chat.composer).to_be_focused()
    expect(queued(chat)).to_have_count(0)
    reply.finish()
    chat.expect_answer("Uno")
    chat.idle()
    assert script.waiting == 0


def test_a_queued_question_that_is_removed_is_not_sent_and_the_focus_goes_to_the_field(chat, script):
    reply = running(chat, script)
    chat.ask("Two")
    press(chat, "Remove")
    expect(chat.composer).to_be_focused()
    reply.finish()
    chat.expect_answer("Uno")
    chat.reload()
    chat.settled()
    expect(queued(chat)).to_have_count(0)
    assert script.waiting == 0


@pytest.mark.parametrize("ending", ["stopped", "failed"])
def test_after_an_answer_that_did_not_finish_a_queued_question_waits_for_the_visitor(
    script, site, visit, console, ending
):
    chat = visit(site.url).open()
    reply = running(chat, script)
    chat.ask("Two")
    chat.stop.click() if ending == "stopped" else reply.fail("upstream")
    chat.expect_answer("Uno", status=ending)
    chat.idle()
    expect(chat.page.get_by_text("Not sent, because the last answer did not finish.")).to_be_visible()
    chat.reload()
    chat.settled()
    expect(chat.page.get_by_text("Not sent, because the last answer did not finish.")).to_be_visible()
    assert script.waiting == 0
    press(chat, "Send now")
    assert script.next_reply().request.messages[-1]["content"] == "Two"
    expect(queued(chat)).to_have_count(0)
    assert console == []


def test_send_now_stops_the_answer_that_runs_and_takes_its_turn(chat, script):
    first = running(chat, script)
    chat.ask("Two")
    chat.ask("Three")
    press(chat, "Send now", 1)
    assert first.closed.wait(5)
    reply = script.next_reply()
    assert reply.request.messages[-1]["content"] == "Three"
    expect(queued(chat)).to_have_text([re.compile("Two")])
    reply.say("Tres")
    reply.finish()
    assert script.next_reply().request.messages[-1]["content"] == "Two"
    assert asked() == ["One", "Three", "Two"]


def test_the_queue_is_there_after_a_reload_and_each_question_is_sent_once(script, proxy, shaky):
    reply = running(shaky, script)
    shaky.stay_away()
    shaky.ask("Two")
    proxy.down()
    shaky.disconnected()
    shaky.ask("Three")
    expect(queued(shaky)).to_have_count(2)
    reply.finish()
    proxy.up()
    shaky.reload()
    reply = script.next_reply()
    assert reply.request.messages[-1]["content"] == "Two"
    expect(queued(shaky)).to_have_text([re.compile("Three")])
    shaky.reload()
    reply.finish()
    script.next_reply().finish()
    shaky.idle()
    assert asked() == ["One", "Two", "Three"]
    assert script.waiting == 0


def test_two_tabs_of_a_conversation_send_their_queues_once_each(script, site, visit):
    here = visit(site.url).open("/chat/shared/").settled()
    there = visit(site.url).open("/chat/shared/").settled()
    reply = running(here, script)
    expect(there.answer).to_contain_text("Uno")
    here.ask("From here")
    there.ask("From there")
    copied = here.page.evaluate("() => ({ ...sessionStorage })")
    reply.finish()
    for text in ("Dos", "Tres"):
        reply = script.next_reply()
        reply.say(text)
        expect(here.answer).to_contain_text(text)
        expect(there.answer).to_contain_text(text)
        reply.finish()
    for chat in (here, there):
        expect(chat.questions).to_have_count(3)
        chat.idle()
        expect(queued(chat)).to_have_count(0)
    twin = visit(site.url)  # a tab that was duplicated while the question waited
    twin.page.goto(f"{site.url}/chat/other/")
    twin.page.evaluate("copied => Object.assign(sessionStorage, copied)", copied)
    twin.open("/chat/shared/").settled()
    expect(queued(twin)).to_have_count(0)
    assert sorted(asked()) == ["From here", "From there", "One"]
    assert script.waiting == 0


def test_while_something_is_written_stop_has_a_button_of_its_own(chat, script):
    running(chat, script)
    expect(chat.stop).to_have_count(1)
    expect(chat.send).to_be_hidden()
    chat.composer.fill("Two")
    expect(chat.stop).to_have_count(1)
    chat.send.click()
    expect(queued(chat)).to_have_count(1)
    expect(chat.send).to_be_hidden()
    chat.composer.fill("Three")
    chat.stop.focus()
    chat.stop.press("Enter")
    chat.expect_answer("Uno", status="stopped")
    expect(chat.composer).to_have_value("Three")
    expect(chat.send).to_be_focused()


def test_a_text_over_the_limit_is_not_queued(chat, script, settings):
    settings.CHAT = {**settings.CHAT, "MAX_MESSAGE_LENGTH": 20}
    chat.reload()
    reply = running(chat, script)
    chat.ask("x" * 21)
    expect(chat.page.get_by_text("Too long to send")).to_be_visible()
    expect(chat.composer).to_have_value("x" * 21)
    expect(queued(chat)).to_have_count(0)
    reply.finish()
    chat.idle()


def test_a_question_that_was_being_edited_when_an_answer_began_replaces_it(chat, script):
    chat.talk(script, "One", "Uno")
    chat.click("Edit", chat.questions.first)
    field = chat.questions.first.locator("textarea")
    field.fill("One, but better")
    first = running(chat, script, "Two", "Dos")
    field.press("Enter")
    assert first.closed.wait(5)
    assert [turn["content"] for turn in script.next_reply().request.messages] == ["One, but better"]
    expect(chat.questions).to_have_count(1)
