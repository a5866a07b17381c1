"""Sending, streaming, stopping, editing, retrying, and a connection that breaks."""

from tests.browsers.visitor import ANSWER, COMPOSER, QUESTION, QUEUED


def test_a_question_is_sent_and_its_answer_streams(chat, script):
    chat.ask("Why is the sky blue?")
    reply = script.next_reply()
    chat.shows(QUESTION, "Why is the sky blue?")
    reply.say("Because of ")
    chat.answered("Because of", status="running")
    reply.say("*scattering*.")
    chat.answered("Because of scattering.", status="running")
    reply.finish()
    chat.answered("Because of scattering.")
    chat.has_focus(COMPOSER)
    assert chat.js("() => [document.title, location.pathname === '/chat/']") == ["Why is the sky blue?", False]


def test_a_stopped_answer_keeps_what_it_has_said(chat, script):
    chat.ask("Count")
    reply = script.next_reply()
    reply.say("One, two")
    chat.answered("One, two", status="running")
    chat.stop()
    chat.answered("One, two", status="stopped")
    chat.has_focus("llm-chat-composer")
    assert reply.closed.wait(10)


def test_escape_stops_too(chat, script):
    chat.ask("Count")
    script.next_reply().say("One")
    chat.answered("One", status="running")
    chat.press("Escape")
    chat.answered("One", status="stopped")


def test_a_question_that_is_sent_while_an_answer_runs_is_sent_after_it(chat, script):
    chat.ask("First?")
    reply = script.next_reply()
    reply.say("One")
    chat.answered("One", status="running")
    chat.ask("Second?")
    chat.shows(QUEUED, "Second?")
    chat.reload()
    chat.shows(QUEUED, "Second?")
    reply.finish()
    chat.reply(script, "Two")
    chat.answered("Two")
    chat.hides(QUEUED)
    assert [text.split("\n")[0] for text in chat.texts(f"{QUESTION} [data-parts]")] == ["First?", "Second?"]


def test_an_edited_question_is_another_version(chat, script):
    chat.talk(script, "Why is the sky red?", "It is not.")
    chat.edit("Why is the sky blue?")
    chat.reply(script, "Scattering.")
    chat.answered("Scattering.")
    chat.shows(QUESTION, "Why is the sky blue?")
    chat.shows(QUESTION, "2/2")
    chat.choose("Previous")
    chat.answered("It is not.")
    chat.shows(QUESTION, "Why is the sky red?")


def test_another_try_is_another_answer(chat, script):
    chat.talk(script, "Tell me", "First")
    chat.retry()
    chat.reply(script, "Second")
    chat.answered("Second")
    chat.shows(ANSWER, "2/2")
    chat.choose("Previous")
    chat.answered("First")
    chat.choose("Next")
    chat.answered("Second")


def test_a_page_that_is_reloaded_in_mid_answer_goes_on_with_it(chat, script):
    chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("The beginning")
    chat.answered("The beginning", status="running")
    chat.reload()
    chat.answered("The beginning", status="running")
    reply.say(" and the end")
    reply.finish()
    chat.answered("The beginning and the end")


def test_a_draft_is_kept(chat):
    chat.fill(COMPOSER, "Not sent")
    chat.reload()
    assert chat.js("(selector) => document.querySelector(selector).value", COMPOSER) == "Not sent"


def test_an_answer_goes_on_after_a_lost_connection(engine, script, proxy, open_tab):
    chat = open_tab(url=f"http://127.0.0.1:{proxy.port}")
    chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("The beginning")
    chat.answered("The beginning", status="running")
    proxy.down()
    chat.shows("llm-chat-connection:not([connected])", visible=False)
    reply.say(", the middle")
    proxy.up()
    chat.connected()
    chat.answered("The beginning, the middle", status="running")
    reply.say(" and the end")
    reply.finish()
    chat.answered("The beginning, the middle and the end")
    engine.complaints.clear()  # of the connection


def test_the_composer_grows_with_its_text_and_the_answer_stays_in_view(chat, script):
    chat.talk(script, "Long?", "\n\n".join(f"Paragraph {number}" for number in range(60)))
    low = chat.box(COMPOSER)[3]
    chat.click(COMPOSER)
    for _ in range(4):
        chat.tab.type("A line")
        chat.press("Shift+Enter")
    assert chat.box(COMPOSER)[3] > 3 * low
    end = chat.js(f"() => [...document.querySelectorAll('{ANSWER} p')].at(-1).getBoundingClientRect().bottom")
    assert end < chat.box("llm-chat-composer")[1]


def test_a_visitor_who_reads_further_up_is_left_there(chat, script):
    chat.talk(script, "Long?", "\n\n".join(f"Paragraph {number}" for number in range(60)))
    chat.ask("More")
    reply = script.next_reply()
    reply.say("More")
    chat.answered("More", status="running")
    chat.js("() => document.querySelector('[role=log]').scrollTo(0, 200)")
    chat.shows("[data-action=jump]")
    reply.say("\n\n".join(f"Paragraph {number}" for number in range(60)))
    reply.finish()
    chat.shows(f"{ANSWER}:last-of-type[data-status=complete]", visible=False)
    assert chat.js("() => document.querySelector('[role=log]').scrollTop") == 200
    chat.click("[data-action=jump]")
    chat.hides("[data-action=jump]")
    chat.wait("""() => {
      const { scrollTop, scrollHeight, clientHeight } = document.querySelector("[role=log]");
      return scrollHeight - clientHeight - scrollTop < 4;
    }""")
