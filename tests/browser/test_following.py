"""What a visitor sees of an answer is what it says, whatever happens to the connection and the server."""

import random
import re
import time

import pytest
from django.db import DatabaseError
from playwright.sync_api import expect

from chat.errors import ERRORS, Refusal
from chat.models import Conversation, Message
from chat.sockets.following import follow_html, missed


def test_a_reload_mid_answer_shows_the_beginning_and_the_rest(chat, script):
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


def test_a_stop_that_was_lost_with_the_connection_reaches_the_answer_that_runs(script, site, proxy, visit):
    chat = visit(f"http://127.0.0.1:{proxy.port}").open().settled()
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

    monkeypatch.setattr("chat.sockets.requests.missed", fail_twice)
    chat.page.reload()
    reply.say(" two")
    reply.finish()
    expect(chat.answer).to_contain_text("One two")
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


SENTENCE = "The quick brown fox jumps over the lazy dog. "


@pytest.mark.parametrize("moment", ["first", "half", "last", "end"])
def test_a_connection_that_dies_at_any_moment_is_resumed_and_the_text_is_the_stored_one(script, proxy, shaky, moment):
    shaky.ask("Tell me")
    reply = script.next_reply()
    pieces = SENTENCE.split(" ")
    at = {"first": 0, "half": len(pieces) // 2, "last": len(pieces) - 1, "end": len(pieces)}[moment]
    for index, piece in enumerate(pieces):
        if index == at:
            proxy.hold("server")
        reply.say(piece + " ")
        if index == at:
            proxy.cut()
            proxy.flow()
            expect(shaky.answer).to_contain_text(" ".join(pieces[: at + 1]).strip())
    if moment == "end":
        proxy.hold("server")
    reply.finish()
    if moment == "end":
        assert ended()
        proxy.cut()
        proxy.flow()
    shaky.expect_answer(SENTENCE.strip())
    shaky.idle()
    assert Message.objects.get(role="assistant").text.strip() == SENTENCE.strip()
    assert script.waiting == 0


def ended(wait=10.0):
    """Whether the answer has ended in the database, within some seconds."""
    deadline = time.monotonic() + wait
    while (answer := Message.objects.filter(role="assistant").first()) is None or answer.status == "running":
        assert time.monotonic() < deadline, "the answer did not end"
        time.sleep(0.01)
    return answer


@pytest.mark.parametrize("seed", range(3))
def test_ten_cuts_at_random_bytes_leave_the_text_whole(script, proxy, shaky, seed):
    chance = random.Random(seed)
    shaky.try_after(10)
    shaky.ask("Tell me")
    reply = script.next_reply()
    said = 0
    for cut in range(1, 11):
        proxy.cut_after(chance.randrange(1, 3_000))
        while proxy.cuts < cut:
            reply.say(f"**{said}** {SENTENCE}")
            said += 1
            expect(shaky.answer).to_contain_text(f"{said - 1} The quick")
    reply.finish()
    answer = ended()
    shaky.expect_answer(answer.text.replace("**", "").strip())
    assert answer.text == "".join(f"**{index}** {SENTENCE}" for index in range(said))
    shaky.idle()
    shaky.reload()
    shaky.expect_answer(answer.text.replace("**", "").strip())


def freeze(proxy):
    """A network that says nothing any more, and closes nothing."""
    proxy.hold("client")
    proxy.hold("server")


def test_a_frozen_network_is_noticed_and_the_text_is_whole_when_it_is_back(script, proxy, shaky):
    shaky.set("llm-chat-connection", silence=300, pong=300, handshake=300, patience=300)
    shaky.try_after(100)
    shaky.ask("Tell me")
    reply = script.next_reply()
    reply.say("The beginning")
    expect(shaky.answer).to_contain_text("The beginning")
    freeze(proxy)
    reply.say(", the middle")
    shaky.disconnected()
    expect(shaky.page.get_by_text("No connection.")).to_be_visible()
    proxy.cut()
    proxy.flow()
    shaky.connected()
    reply.say(" and the rest.")
    reply.finish()
    shaky.expect_answer("The beginning, the middle and the rest.")
    assert ended().text == "The beginning, the middle and the rest."


def test_a_handshake_that_the_network_swallows_is_given_up(script, proxy, shaky):
    shaky.set("llm-chat-connection", handshake=300)
    shaky.try_after(100)
    freeze(proxy)
    proxy.cut()
    for _ in range(2):
        with shaky.page.expect_websocket(timeout=10_000):
            pass
    proxy.cut()
    proxy.flow()
    shaky.connected()


def test_a_short_freeze_interrupts_nothing(script, proxy, shaky):
    shaky.set("llm-chat-connection", silence=1_000, pong=20_000)
    shaky.ask("Tell me")
    reply = script.next_reply()
    reply.say("The beginning")
    expect(shaky.answer).to_contain_text("The beginning")
    freeze(proxy)
    reply.say(" and the rest.")
    shaky.wait_for_frames("ping", 1)
    proxy.flow()
    reply.finish()
    shaky.expect_answer("The beginning and the rest.")
    assert shaky.sockets == 1


def test_a_connection_that_has_nothing_to_say_is_kept(chat, script):
    chat.set("llm-chat-connection", silence=50, pong=5_000)
    chat.ask("Tell me")
    script.next_reply().finish()
    chat.idle()
    chat.wait_for_frames("ping", 5)
    assert chat.sockets == 1


@pytest.mark.parametrize(
    "sign",
    ["document.dispatchEvent(new Event('visibilitychange'))", "dispatchEvent(new Event('online'))"],
    ids=["reader", "network"],
)
def test_a_visitor_who_returns_to_a_dead_connection_gets_a_new_one_at_once(script, proxy, shaky, sign):
    shaky.ask("Tell me")
    reply = script.next_reply()
    reply.say("The beginning")
    expect(shaky.answer).to_contain_text("The beginning")
    shaky.set("llm-chat-connection", doubt=300)
    freeze(proxy)
    reply.say(" and the rest.")
    now = shaky.page.evaluate("performance.now()")
    shaky.page.wait_for_function("since => performance.now() - since > 300", arg=now)
    shaky.page.evaluate(sign)
    shaky.disconnected()
    proxy.cut()
    proxy.flow()
    reply.finish()
    shaky.expect_answer("The beginning and the rest.")


def test_after_a_restart_of_the_server_the_visitors_come_back_spread_out(script, site, visit):
    chat = visit(site.url).open()
    chat.page.evaluate("""() => {
      window.waits = [];
      const connection = document.querySelector("llm-chat-connection");
      const backoff = connection.backoff;
      connection.backoff = (failures) => { window.waits.push(failures); return backoff(failures) };
    }""")
    spread = chat.page.evaluate("""() => {
      const { backoff } = document.querySelector("llm-chat-connection");
      return Array.from({ length: 200 }, () => backoff(2));
    }""")
    assert min(spread) < 400 and 1_600 < max(spread) <= 2_000
    chat.page.evaluate("window.waits = []")
    site.restart()
    chat.disconnected()
    chat.connected()
    assert chat.page.evaluate("window.waits[0]") == 2


@pytest.mark.parametrize("request_", ["send", "resume"])
def test_an_answer_whose_stream_is_lost_is_fetched_by_another_request(script, site, visit, monkeypatch, request_):
    lost = []

    def lose_once(*args):
        if not lost:
            lost.append(1)
            raise Refusal("lost")
        return follow_html(*args)

    changed = ERRORS["lost"]._replace(sentence="The server lost the answer's log. Load the conversation again.")
    monkeypatch.setitem(ERRORS, "lost", changed)
    chat = visit(site.url).open()
    if request_ == "send":
        monkeypatch.setattr("chat.sockets.requests.follow_html", lose_once)
    chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("Here")
    expect(chat.answer).to_contain_text("Here")
    if request_ == "resume":
        monkeypatch.setattr("chat.sockets.requests.follow_html", lose_once)
        chat.reload()
    reply.say(" it is")
    reply.finish()
    chat.expect_answer("Here it is")
    chat.idle()
    assert lost
    expect(chat.page.get_by_text("The server lost")).to_have_count(0)


def test_a_question_in_one_tab_is_shown_in_the_other_at_once(script, site, visit):
    first = visit(site.url).open("/chat/shared/")
    second = visit(site.url).open("/chat/shared/")
    first.ask("Asked in the first tab")
    reply = script.next_reply()
    reply.say("Here")
    expect(second.questions).to_have_text(re.compile("Asked in the first tab"))
    expect(second.answer).to_contain_text("Here")
    reply.say(" it is")
    reply.finish()
    second.expect_answer("Here it is")


def test_a_tab_that_shows_the_old_answer_shows_the_new_one(script, site, visit):
    first = visit(site.url).open("/chat/shared/")
    first.ask("Tell me")
    script.next_reply().break_off()
    expect(first.answer).to_have_attribute("data-status", "interrupted")
    second = visit(site.url).open("/chat/shared/")
    second.expect_answer("", status="interrupted")
    first.page.get_by_role("button", name="Try again").click()
    reply = script.next_reply()
    reply.say("The new one")
    expect(second.answer).to_contain_text("The new one")
    reply.finish()
    second.expect_answer("The new one")
    expect(second.answers).to_have_count(1)


def test_a_page_that_hears_of_an_answer_that_it_lacks_asks_for_it(script, site, visit):
    first = visit(site.url).open("/chat/shared/")
    second = visit(site.url).open("/chat/shared/")
    first.ask("Tell me")
    reply = script.next_reply()
    reply.say("Here")
    expect(first.answer).to_contain_text("Here")
    answer = Message.objects.get(role="assistant").uid
    event = {"type": "event", "requestId": "conversation", "event": "run-started", "message": answer, "version": 1}
    asked = len(second.sent)
    second.hear(**event, id="another")
    assert len(second.sent) == asked
    second.hear(**event, id="shared")
    expect(second.answer).to_contain_text("Here")
    reply.finish()
    second.expect_answer("Here")


def test_a_page_that_is_busy_when_it_hears_of_an_answer_asks_for_it_afterwards(chat, script):
    chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("Here")
    expect(chat.answer).to_contain_text("Here")
    event = {"type": "event", "requestId": "conversation", "id": chat.conversation, "version": 1}
    mine = Message.objects.get(role="assistant").uid
    resumes = [frame["type"] for frame in chat.sent].count("resume")
    chat.hear(**event, event="run-started", message=mine)
    chat.hear(**event, event="run-ended", message="a-stranger")
    reply.finish()
    chat.wait_for_frames("resume", resumes + 1)
    chat.expect_answer("Here")
    chat.idle()
    chat.hear(**event, event="run-ended", message=mine)
    chat.ask("More")
    script.next_reply().finish()
    expect(chat.answers).to_have_count(2)
    chat.idle()
    assert [frame["type"] for frame in chat.sent].count("resume") == resumes + 1


def test_a_conversation_that_was_deleted_elsewhere_leaves_the_page(script, site, visit):
    chat = visit(site.url).open()
    chat.ask("Tell me")
    script.next_reply().finish()
    chat.idle()
    line = chat.page.get_by_role("link", name="Tell me", exact=True)
    expect(line).to_be_visible()
    Conversation.objects.all().delete()
    event = {"type": "event", "requestId": "conversation", "event": "deleted", "message": "", "version": 1}
    chat.hear(**event, id=chat.conversation)
    expect(chat.page.locator(".llm-chat-gone")).to_have_text(ERRORS["gone"].sentence)
    expect(chat.page.locator(".llm-chat-gone")).to_be_visible()
    expect(chat.questions).to_have_count(0)
    expect(line).to_have_count(0)
    assert chat.sockets == 1
    chat.ask("Begin anew")
    assert script.next_reply().request.messages == [{"role": "user", "content": "Begin anew"}]


def test_a_page_that_missed_a_chunk_asks_for_the_whole_again(chat, script):
    chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("The beginning")
    expect(chat.answer).to_contain_text("The beginning")
    chat.hear(type="chunk", requestId=chat.sent[-1]["requestId"], sequence=99, chunk={"type": "finish"})
    reply.say(" and the rest.")
    reply.finish()
    chat.expect_answer("The beginning and the rest.")
    chat.idle()
    assert chat.sockets == 2


def test_a_page_that_is_left_and_shown_again_as_it_was_closes_its_connection_and_opens_another(chat, script):
    chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("Here")
    expect(chat.answer).to_contain_text("Here")
    chat.stay_away()
    change = "type => dispatchEvent(new PageTransitionEvent(type, { persisted: true }))"
    chat.page.evaluate(change, "pagehide")
    chat.disconnected()
    reply.say(" and there")
    chat.page.evaluate(change, "pageshow")
    chat.connected()
    expect(chat.answer).to_contain_text("Here and there")
    reply.finish()
    chat.idle()
    assert chat.sockets == 2
