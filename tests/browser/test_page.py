"""The page in Chromium, with a model that the test plays."""

import re

import pytest
from django.db import DatabaseError
from playwright.sync_api import expect

from chat.models import Message
from chat.readers import missed


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


def test_a_reload_in_mid_answer_shows_the_beginning_and_the_rest(chat, script):
    chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("The beginning")
    expect(chat.answer).to_contain_text("The beginning")
    chat.reload()
    expect(chat.answer).to_contain_text("The beginning")
    reply.say(" and the rest.")
    reply.finish()
    chat.expect_answer("The beginning and the rest.")
    assert Message.objects.get(role="assistant").text == "The beginning and the rest."


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
    line = chat.page.get_by_role("link", name="First question")
    expect(line).to_be_visible()
    chat.page.get_by_role("link", name="New chat").first.click()
    chat.connected()
    expect(chat.questions).to_have_count(0)
    line.click()
    chat.connected()
    expect(chat.questions).to_have_text(re.compile("First question"))


def test_a_message_sent_while_an_answer_runs_stays_in_the_composer(chat, script):
    chat.ask("One")
    reply = script.next_reply()
    reply.say("Uno")
    expect(chat.answer).to_contain_text("Uno")
    chat.ask("Two")
    expect(chat.composer).to_have_value("Two")
    expect(chat.page.get_by_text("An answer is still running.")).to_be_visible()
    reply.finish()
    chat.expect_answer("Uno")
    chat.composer.press("Enter")
    assert script.next_reply().request.messages[-1]["content"] == "Two"


def test_a_message_over_the_limit_is_not_sent_and_not_lost(chat, script, settings):
    settings.CHAT = {**settings.CHAT, "MAX_MESSAGE_LENGTH": 20}
    chat.reload()
    chat.ask("x" * 21)
    expect(chat.page.get_by_text("Too long to send")).to_be_visible()
    expect(chat.composer).to_have_value("x" * 21)
    assert script.waiting == 0


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


def test_what_an_answer_says_never_runs_and_never_loads(chat, script, site):
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
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'self'",
    }


def test_the_history_is_there_after_a_restart_of_the_server(script, site, visit):
    chat = visit(site.url).open()
    chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("Kept")
    reply.finish()
    chat.expect_answer("Kept")
    site.restart()
    chat.reload()
    chat.expect_answer("Kept")


def test_an_answer_that_ran_when_the_server_stopped_is_shown_as_interrupted(script, site, visit):
    chat = visit(site.url).open()
    chat.ask("Tell me")
    script.next_reply().say("So far")
    expect(chat.answer).to_contain_text("So far")
    site.restart()
    chat.expect_answer("So far", status="interrupted")


def test_a_cut_connection_is_resumed_and_the_text_is_whole(script, site, proxy, visit):
    chat = visit(f"http://127.0.0.1:{proxy.port}").open()
    chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("The beginning")
    expect(chat.answer).to_contain_text("The beginning")
    proxy.down()
    expect(chat.page.locator("llm-chat-connection:not([connected])")).to_have_count(1)
    reply.say(", the middle")
    proxy.up()
    chat.connected()
    reply.say(" and the rest.")
    reply.finish()
    chat.expect_answer("The beginning, the middle and the rest.")
    assert Message.objects.get(role="assistant").text == "The beginning, the middle and the rest."


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


def test_a_stop_that_was_lost_with_the_connection_reaches_the_answer_that_runs(script, site, proxy, visit):
    chat = visit(f"http://127.0.0.1:{proxy.port}").open()
    proxy.hold("server")
    chat.ask("Tell me")
    reply = script.next_reply()
    proxy.hold("client")
    chat.stop.click()
    proxy.cut()
    proxy.flow()
    assert reply.closed.wait(15)
    expect(chat.answer).to_have_attribute("data-status", "stopped")
    expect(chat.send).to_be_visible()


def test_a_message_that_cannot_be_encoded_is_sent_without_what_is_broken(chat, script):
    chat.composer.fill("half \ud83d")
    chat.composer.press("Enter")
    assert script.next_reply().request.messages[-1]["content"] == "half \ufffd"


def test_a_resume_that_fails_is_tried_again(script, site, visit, monkeypatch):
    chat = visit(site.url).open()
    chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("One")
    expect(chat.answer).to_contain_text("One")
    tries = []

    def fail_twice(*args):
        tries.append(1)
        if len(tries) <= 2:
            raise DatabaseError("away")
        return missed(*args)

    monkeypatch.setattr("chat.replies.missed", fail_twice)
    chat.page.reload()
    reply.say(" two")
    reply.finish()
    expect(chat.answer).to_contain_text("One two", timeout=15_000)
    expect(chat.answer).to_have_attribute("data-status", "complete")


def test_a_second_tab_follows_the_answer_that_runs(script, site, visit):
    first = visit(site.url).open()
    first.ask("Tell me")
    reply = script.next_reply()
    reply.say("One")
    expect(first.answer).to_contain_text("One")
    expect(first.page).to_have_url(re.compile(r"/chat/[\w-]+/$"))
    second = visit(site.url).open(first.page.url.removeprefix(site.url))
    expect(second.answer).to_contain_text("One")
    reply.say(" two")
    reply.finish()
    first.expect_answer("One two")
    second.expect_answer("One two")


def test_a_tab_that_was_left_alone_catches_up_when_one_comes_back_to_it(script, site, visit):
    first = visit(site.url).open("/chat/shared/")
    second = visit(site.url).open("/chat/shared/")
    first.ask("Asked in the first tab")
    reply = script.next_reply()
    reply.say("Here")
    expect(first.answer).to_contain_text("Here")
    second.page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
    expect(second.questions).to_have_text(re.compile("Asked in the first tab"))
    reply.say(" it is")
    reply.finish()
    second.expect_answer("Here it is")


def test_a_question_that_is_refused_as_busy_shows_the_answer_that_runs(script, site, visit):
    first = visit(site.url).open("/chat/shared/")
    second = visit(site.url).open("/chat/shared/")
    first.ask("First")
    reply = script.next_reply()
    reply.say("Running")
    expect(first.answer).to_contain_text("Running")
    second.ask("Second")
    expect(second.page.get_by_text("An answer is already running in this conversation.").first).to_be_visible()
    expect(second.answer).to_contain_text("Running")
    expect(second.stop).to_be_visible()
    reply.finish()
    second.expect_answer("Running")
    second.page.get_by_role("button", name="Send again").click()
    assert script.next_reply().request.messages[-1]["content"] == "Second"


def test_only_the_last_answer_offers_another_try(chat, script):
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
    expect(chat.page.get_by_role("button", name="Try again")).to_have_count(0)


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


def test_a_lost_session_asks_for_a_reload_and_keeps_the_text(script, site, visit):
    chat = visit(site.url).open()
    chat.composer.fill("Not lost")
    chat.page.context.clear_cookies()
    site.restart()
    expect(chat.page.get_by_text("Your session has ended.").first).to_be_visible(timeout=15_000)
    expect(chat.composer).to_have_value("Not lost")
