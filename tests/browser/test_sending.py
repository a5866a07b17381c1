"""What a visitor sends arrives once, whatever happens to the connection and the page."""

import re

import pytest
from django.db import DatabaseError
from playwright.sync_api import expect

from chat.assistants import Assistant
from chat.assistants.discovery import registry
from chat.db.turns import ask
from chat.errors import Refusal
from chat.models import Message


def test_a_message_over_the_limit_is_not_sent_and_not_lost(chat, script, settings):
    settings.CHAT = {**settings.CHAT, "MAX_MESSAGE_LENGTH": 20}
    chat.reload()
    chat.ask("x" * 21)
    expect(chat.page.get_by_text("Too long to send")).to_be_visible()
    expect(chat.composer).to_have_value("x" * 21)
    assert script.waiting == 0


def test_a_message_sent_while_the_network_is_away_is_sent_once_when_it_is_back(script, site, proxy, visit):
    chat = visit(f"http://127.0.0.1:{proxy.port}").open()
    proxy.down()
    expect(chat.page.locator("llm-chat-connection:not([connected])")).to_have_count(1)
    chat.ask("Are you there?")
    expect(chat.questions).to_have_attribute("data-status", "sending")
    expect(chat.page.get_by_text("No connection.")).to_be_visible()
    proxy.up()
    reply = script.next_reply(20)
    reply.say("Yes")
    reply.finish()
    chat.expect_answer("Yes")
    assert Message.objects.filter(role="user").count() == 1


def test_a_message_that_was_stopped_before_the_server_had_it_is_not_sent_after_all(script, site, proxy, visit):
    chat = visit(f"http://127.0.0.1:{proxy.port}").open()
    proxy.hold("client")
    chat.ask("Never mind")
    chat.stop.click()
    proxy.cut()
    proxy.flow()
    expect(chat.questions).to_have_attribute("data-status", "unsent")
    chat.connected()
    chat.ask("But this")
    assert [turn["content"] for turn in script.next_reply().request.messages] == ["But this"]
    assert [message.text for message in Message.objects.filter(role="user")] == ["But this"]


def test_a_message_that_cannot_be_encoded_is_sent_without_its_broken_characters(chat, script):
    chat.composer.fill("half \ud83d")
    chat.composer.press("Enter")
    assert script.next_reply().request.messages[-1]["content"] == "half \ufffd"


def test_a_question_that_is_refused_as_busy_shows_the_answer_that_runs_and_is_sent_after_it(script, site, proxy, visit):
    first = visit(site.url).open("/chat/shared/")
    second = visit(f"http://127.0.0.1:{proxy.port}").open("/chat/shared/").settled()
    proxy.hold("server")  # what happens in the first tab is not heard of in time
    first.ask("First")
    reply = script.next_reply()
    reply.say("Running")
    expect(first.answer).to_contain_text("Running")
    second.ask("Second")
    proxy.flow()
    expect(second.answer).to_contain_text("Running")
    expect(second.stop).to_be_visible()
    expect(second.page.locator("[data-queued]")).to_contain_text("Second")
    reply.finish()
    assert script.next_reply().request.messages[-1]["content"] == "Second"
    # By now the last answer is the one to "Second".
    expect(second.answers.first).to_contain_text("Running")
    expect(second.answers.first).to_have_attribute("data-status", "complete")
    expect(second.questions).to_have_count(2)


def test_a_lost_session_asks_for_a_reload_and_keeps_the_text(script, site, visit):
    chat = visit(site.url).open()
    chat.composer.fill("Not lost")
    chat.page.context.clear_cookies()
    site.restart()
    expect(chat.page.get_by_text("Your session has ended.").first).to_be_visible()
    expect(chat.composer).to_have_value("Not lost")


@pytest.mark.parametrize("lost", ["client", "server"])
def test_a_message_whose_acknowledgement_does_not_come_is_sent_again_and_exists_once(script, proxy, shaky, lost):
    shaky.set("llm-chat-outbox", overdue=1_000)
    proxy.hold(lost)
    shaky.ask("Once")
    expect(shaky.page.get_by_text("Sending…")).to_be_visible()
    shaky.disconnected()
    proxy.flow()
    reply = script.next_reply()
    reply.say("Answered")
    reply.finish()
    shaky.expect_answer("Answered")
    shaky.idle()
    expect(shaky.questions).to_have_count(1)
    assert [message.text for message in Message.objects.all()] == ["Once", "Answered"]
    assert script.waiting == 0


@pytest.mark.parametrize("lost", ["client", "server"])
def test_a_message_that_was_not_acknowledged_is_sent_once_after_a_reload(script, proxy, shaky, lost):
    shaky.stay_away()
    proxy.hold(lost)
    shaky.ask("Once")
    expect(shaky.page.get_by_text("Sending…")).to_be_visible()
    expect(shaky.page).to_have_url(re.compile(r"/chat/[\w-]+/$"))
    if lost == "server":
        reply = script.next_reply()
    proxy.cut()
    proxy.flow()
    shaky.disconnected()
    shaky.reload()
    if lost == "client":
        reply = script.next_reply()
    expect(shaky.questions).to_have_text(re.compile("Once"))
    reply.say("Answered")
    reply.finish()
    shaky.expect_answer("Answered")
    shaky.idle()
    shaky.reload()
    shaky.expect_answer("Answered")
    assert [message.text for message in Message.objects.all()] == ["Once", "Answered"]
    assert script.waiting == 0


class Support(Assistant):
    """Helps customers."""

    instructions = "You support."


class Sales(Assistant):
    """Sells."""

    instructions = "You sell."


def test_a_first_message_that_was_not_acknowledged_keeps_its_assistant_over_a_reload(script, proxy, shaky):
    with registry.replaced(Support, Sales):
        shaky.open("/chat/?assistant=sales")
        shaky.stay_away()
        proxy.hold("client")
        shaky.ask("Once")
        expect(shaky.page).to_have_url(re.compile(r"/chat/[\w-]+/$"))
        proxy.cut()
        proxy.flow()
        shaky.disconnected()
        shaky.reload()
        reply = script.next_reply()
        assert reply.request.messages[0]["content"] == "You sell."
        reply.finish()


def test_after_a_reload_a_message_is_shown_as_sending_until_the_server_has_it(script, proxy, shaky):
    shaky.stay_away()
    proxy.hold("client")
    shaky.ask("Once")
    proxy.cut()
    proxy.flow()
    shaky.page.route("**/llm_chat/connection*.js", lambda route: route.abort())
    shaky.page.reload()
    expect(shaky.questions).to_have_attribute("data-status", "sending")
    expect(shaky.page.get_by_text("Sending…")).to_be_visible()
    shaky.page.unroute("**/llm_chat/connection*.js")
    shaky.reload()
    script.next_reply().finish()
    expect(shaky.questions).to_have_attribute("data-status", "complete")


def test_a_message_that_was_stopped_before_it_was_sent_stays_unsent_over_a_reload(script, proxy, shaky):
    proxy.down()
    shaky.disconnected()
    shaky.ask("Never mind")
    shaky.stop.click()
    expect(shaky.questions).to_have_attribute("data-status", "unsent")
    proxy.up()
    shaky.reload()
    expect(shaky.questions).to_have_attribute("data-status", "unsent")
    shaky.ask("But this")
    assert script.next_reply().request.messages == [{"role": "user", "content": "But this"}]


def test_a_message_that_was_refused_is_there_after_a_reload_and_can_be_sent_again(script, site, visit, monkeypatch):
    chat = visit(site.url).open()
    with monkeypatch.context() as patch:
        patch.setattr("chat.engine.start.ask", fail)
        chat.ask("Tell me")
        expect(chat.questions).to_contain_text("The message could not be stored.")
    chat.reload()
    expect(chat.questions).to_have_attribute("data-status", "unsent")
    expect(chat.questions).to_contain_text("The message could not be stored.")
    chat.page.get_by_role("button", name="Send again").click()
    reply = script.next_reply()
    reply.say("Here")
    reply.finish()
    chat.expect_answer("Here")
    chat.reload()
    expect(chat.questions).to_have_count(1)
    expect(chat.questions).to_have_attribute("data-status", "complete")


def test_a_message_that_was_discarded_does_not_come_back(script, site, visit, monkeypatch):
    chat = visit(site.url).open()
    with monkeypatch.context() as patch:
        patch.setattr("chat.engine.start.ask", fail)
        chat.ask("Tell me")
        chat.page.get_by_role("button", name="Discard").click()
    expect(chat.questions).to_have_count(0)
    chat.reload()
    expect(chat.questions).to_have_count(0)


def fail(*args):
    raise DatabaseError("away")


def test_another_visitor_in_the_same_tab_never_sends_the_messages_of_the_first(script, proxy, shaky):
    proxy.down()
    shaky.disconnected()
    shaky.ask("Mine")
    expect(shaky.questions).to_have_attribute("data-status", "sending")
    shaky.page.context.clear_cookies()
    proxy.up()
    shaky.reload()
    expect(shaky.questions).to_have_count(0)
    shaky.ask("Theirs")
    script.next_reply().finish()
    shaky.idle()
    assert [message.text for message in Message.objects.filter(role="user")] == ["Theirs"]


@pytest.mark.parametrize(
    "storage",
    [
        "Object.defineProperty(window, 'sessionStorage', { get() { throw new DOMException('closed') } })",
        "Storage.prototype.setItem = () => { throw new DOMException('full') }",
    ],
    ids=["closed", "full"],
)
def test_without_a_place_to_keep_it_a_message_is_sent_all_the_same(script, site, visit, console, storage):
    chat = visit(site.url)
    chat.page.add_init_script(storage)
    chat.open()
    chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("Here")
    reply.finish()
    chat.expect_answer("Here")
    assert console == []


@pytest.mark.parametrize("kept", ["{", "null", "7"])
def test_a_place_that_holds_something_else_does_no_harm(script, site, visit, console, kept):
    chat = visit(site.url)
    chat.page.add_init_script(f"Storage.prototype.getItem = () => {kept!r}")
    chat.open()
    chat.ask("Tell me")
    script.next_reply().finish()
    expect(chat.answer).to_have_attribute("data-status", "complete")
    assert console == []


def test_a_server_that_goes_down_is_left_and_the_message_sent_elsewhere(script, site, visit, monkeypatch):
    chat = visit(site.url).open()
    tries = []

    def drain_twice(*args):
        tries.append(1)
        if len(tries) <= 2:
            raise Refusal("draining")
        return ask(*args)

    monkeypatch.setattr("chat.engine.start.ask", drain_twice)
    chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("Here")
    reply.finish()
    chat.expect_answer("Here")
    assert chat.sockets == 3
    assert Message.objects.filter(role="user").count() == 1


DRAWN = """() => {
  window.drawn = [];
  new MutationObserver((records) => {
    for (const { addedNodes } of records) {
      for (const node of addedNodes) if (node.dataset?.role === "assistant") window.drawn.push(node.dataset.message);
    }
  }).observe(document.querySelector("llm-chat-transcript"), { childList: true });
}"""


def stopped(chat, script):
    """Half an answer, that its reader has stopped."""
    chat.ask("Tell me")
    script.next_reply().say("Half")
    expect(chat.answer).to_contain_text("Half")
    chat.stop.click()
    chat.expect_answer("Half", status="stopped")
    chat.idle()


def test_another_answer_whose_acknowledgement_was_lost_is_drawn_once(script, proxy, shaky):
    stopped(shaky, script)
    shaky.page.evaluate(DRAWN)
    proxy.hold("server")
    shaky.page.get_by_role("button", name="Try again").click()
    reply = script.next_reply()
    reply.say("Whole")
    proxy.cut()
    proxy.flow()
    expect(shaky.answer).to_contain_text("Whole")
    reply.finish()
    shaky.expect_answer("Whole")
    shaky.idle()
    assert len(shaky.page.evaluate("window.drawn")) == 1
    assert script.waiting == 0


@pytest.mark.parametrize("lost", ["client", "server"])
def test_another_answer_that_was_not_acknowledged_is_asked_for_once_after_a_reload(script, proxy, shaky, lost):
    stopped(shaky, script)
    shaky.stay_away()
    proxy.hold(lost)
    shaky.page.get_by_role("button", name="Try again").click()
    if lost == "server":
        reply = script.next_reply()
    proxy.cut()
    proxy.flow()
    shaky.disconnected()
    shaky.reload()
    if lost == "client":
        reply = script.next_reply()
    reply.say("Whole")
    reply.finish()
    shaky.expect_answer("Whole")
    shaky.idle()
    assert script.waiting == 0
    assert Message.objects.filter(role="assistant").count() == 2


def test_another_try_repeats_its_attempt_and_going_on_has_one_of_its_own(script, site, visit, monkeypatch):
    chat = visit(site.url).open()
    stopped(chat, script)
    again, go_on = (chat.answer.get_by_role("button", name=name) for name in ("Try again", "Continue"))
    with monkeypatch.context() as patch:
        patch.setattr("chat.engine.start.regenerate", fail)
        for button in (again, go_on, again, go_on):
            button.click()
            chat.idle()
            expect(chat.answer).to_contain_text("The message could not be stored.")
    bodies = [frame["body"] for frame in chat.sent if frame.get("trigger") == "regenerate-message"]
    assert [body.get("continue", False) for body in bodies] == [False, True, False, True]
    attempts = [body["attempt"] for body in bodies]
    assert attempts[:2] == attempts[2:]
    assert len(set(attempts)) == 2


def test_an_answer_that_broke_off_is_gone_on_with(chat, script):
    stopped(chat, script)
    chat.answer.get_by_role("button", name="Continue").click()
    reply = script.next_reply()
    expect(chat.answer).to_contain_text("Half")
    reply.say(" and whole")
    reply.finish()
    chat.expect_answer("Half and whole")
    expect(chat.answers).to_have_count(1)
    chat.reload()
    chat.expect_answer("Half and whole")


def test_a_question_is_before_its_answer_although_the_connection_died_after_the_acknowledgement(script, site, visit):
    chat = visit(site.url).open()
    chat.page.evaluate("""() => {
      const chat = document.querySelector("llm-chat");
      chat.addEventListener("chat:stored", () => chat.dispatchEvent(new CustomEvent("chat:reset")), { once: true });
    }""")
    chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("Here")
    reply.finish()
    chat.expect_answer("Here")
    chat.idle()
    expect(chat.page.locator("article")).to_have_count(2)
    assert chat.page.locator("article").evaluate_all("all => all.map(one => one.dataset.role)") == ["user", "assistant"]
    assert chat.sockets == 2
