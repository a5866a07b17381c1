"""The AI SDK's own client from npm against the site: ask, resume, stop, regenerate, edit, fail."""

import pytest

from chat.errors import ERRORS
from chat.models import Message
from tests.npm.conftest import text_of


def stored(role="assistant"):
    return Message.objects.get(role=role)


def parts_of(message):
    """Return a client's message as the database stores it: without step markers and streaming states."""
    return [{"type": part["type"], "text": part["text"]} for part in message["parts"] if part["type"] != "step-start"]


def asked(reply):
    """Return what the model was asked, as the text of each turn."""
    return [turn["content"] for turn in reply.request.messages]


def test_an_answer_grows_delta_by_delta_to_the_text_of_the_database(chat, script):
    chat.ask("Why is the sky blue?")
    reply = script.next_reply()
    assert asked(reply) == ["Why is the sky blue?"]
    said = ""
    for delta in ("Because ", "of ", "“scat", "tering” ", "\n\n```py\n", "天 🙂", "\n```"):
        reply.say(delta)
        said += delta
        chat.shows(said)
        assert chat.state["status"] == "streaming"
    reply.finish()
    assert chat.done("ask")["status"] == "ready"
    question, answer = chat.state["messages"]
    assert (question["id"], text_of(question)) == (stored("user").uid, stored("user").text)
    assert (answer["id"], text_of(answer), parts_of(answer)) == (stored().uid, said, stored().parts)
    assert (stored().text, stored().status) == (said, "complete")


@pytest.mark.parametrize(("reason", "status"), [("stop", "complete"), ("length", "cut")])
def test_the_client_learns_how_an_answer_ended(chat, script, reason, status):
    chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("Enough")
    reply.finish(reason)
    assert chat.done("ask")["status"] == "ready"
    ending = {"isAbort": False, "isDisconnect": False, "isError": False, "finishReason": reason}
    assert chat.finished == [{"event": "finish", **ending}]
    assert stored().status == status


def test_reasoning_and_a_loading_model_are_shown_apart_from_the_text(chat, script):
    chat.ask("Think first")
    reply = script.next_reply()
    reply.load()
    reply.loaded()
    reply.think("Let me see.")
    reply.say("Here it is.")
    reply.finish()
    assert chat.done("ask")["status"] == "ready"
    assert [part["data"]["status"] for part in chat.data] == ["loading", "waiting"]
    reasoning, text = stored().parts
    seconds = reasoning.pop("seconds")
    assert parts_of(chat.answer) == [reasoning, text]
    assert (reasoning, text) == ({"type": "reasoning", "text": "Let me see."}, {"type": "text", "text": "Here it is."})
    shown = next(part for part in chat.answer["parts"] if part["type"] == "reasoning")
    assert shown["providerMetadata"] == {"llm_chat": {"seconds": seconds}}


def test_a_second_question_takes_the_history_of_the_site_to_the_model(chat, script):
    chat.ask("One")
    reply = script.next_reply()
    reply.say("Uno")
    reply.finish()
    chat.done("ask")
    chat.ask("Two")
    reply = script.next_reply()
    assert asked(reply) == ["One", "Uno", "Two"]
    reply.say("Due")
    reply.finish()
    assert [text_of(message) for message in chat.done("ask")["messages"]] == ["One", "Uno", "Two", "Due"]


def test_a_second_client_replays_a_running_answer_and_follows_it_to_the_same_end(chat, script, open_chat):
    chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("The beginning")
    chat.shows("The beginning")
    shown = chat.state["messages"]
    reply.say(", the middle")
    second = open_chat(shown)
    second.resume()
    second.shows("The beginning, the middle")
    reply.say(" and the end.")
    reply.finish()
    first, other = chat.done("ask"), second.done("resume")
    assert (other["status"], other["messages"]) == ("ready", first["messages"])
    assert [message["id"] for message in other["messages"]] == [stored("user").uid, stored().uid]
    assert text_of(second.answer) == stored().text == "The beginning, the middle and the end."


def test_an_answer_whose_client_vanished_continues_and_is_resumed_whole(chat, script, open_chat):
    chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("The beginning")
    chat.shows("The beginning")
    chat.vanish()
    reply.say(", the middle")
    back = open_chat(chat.state["messages"][:1])
    back.resume()
    back.shows("The beginning, the middle")
    assert not reply.closed.is_set()
    reply.say(" and the end.")
    reply.finish()
    assert back.done("resume")["status"] == "ready"
    assert [message["role"] for message in back.state["messages"]] == ["user", "assistant"]
    assert (back.answer["id"], text_of(back.answer)) == (stored().uid, stored().text)
    assert stored().text == "The beginning, the middle and the end."


def test_a_cut_connection_is_reported_and_the_same_client_resumes(script, open_chat, proxy):
    chat = open_chat(url=f"http://127.0.0.1:{proxy.port}")
    chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("The beginning")
    chat.shows("The beginning")
    proxy.cut()
    assert chat.done("ask")["status"] == "error"
    assert chat.finished[-1]["isDisconnect"] is True
    reply.say(", the middle")
    chat.resume()
    chat.shows("The beginning, the middle")
    reply.say(" and the end.")
    reply.finish()
    assert chat.done("resume")["status"] == "ready"
    assert [message["id"] for message in chat.state["messages"]] == [stored("user").uid, stored().uid]
    assert text_of(chat.answer) == stored().text == "The beginning, the middle and the end."


def test_an_answer_that_ended_a_moment_ago_is_replayed(chat, script, open_chat):
    chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("All of it")
    reply.finish()
    first = chat.done("ask")
    late = open_chat(first["messages"][:1])
    late.resume()
    assert late.done("resume")["messages"] == first["messages"]


def test_the_client_stays_ready_when_there_is_nothing_to_resume(chat):
    chat.resume()
    assert chat.done("resume") == {"status": "ready", "messages": []}


@pytest.mark.parametrize("stopped_by", ["the client that asked", "a client that resumed"])
def test_a_stop_ends_the_answer_for_all_and_keeps_its_text(chat, script, open_chat, stopped_by):
    chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("So far")
    chat.shows("So far")
    second = open_chat(chat.state["messages"][:1])
    second.resume()
    second.shows("So far")
    stopping = chat if stopped_by == "the client that asked" else second
    stopping.stop()
    assert reply.closed.wait(1)
    assert chat.done("ask")["status"] == second.done("resume")["status"] == "ready"
    assert stopping.finished[-1]["isAbort"] is True
    assert text_of(chat.answer) == text_of(second.answer) == "So far"
    assert (stored().text, stored().status) == ("So far", "stopped")


def test_a_stopped_chat_continues_with_the_next_question(chat, script):
    chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("So far")
    chat.shows("So far")
    chat.stop()
    chat.done("stop")
    chat.ask("And then?")
    reply = script.next_reply()
    assert asked(reply) == ["Tell me", "So far", "And then?"]
    reply.say("Then this.")
    reply.finish()
    assert text_of(chat.done("ask")["messages"][-1]) == "Then this."


def test_regenerate_puts_a_new_answer_in_the_place_of_the_old(chat, script):
    chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("Old")
    reply.finish()
    old = chat.done("ask")["messages"][-1]
    chat.regenerate(messageId=old["id"])
    reply = script.next_reply()
    assert asked(reply) == ["Tell me"]
    reply.say("New")
    reply.finish()
    question, new = chat.done("regenerate")["messages"]
    assert (text_of(question), text_of(new)) == ("Tell me", "New")
    answers = Message.objects.filter(role="assistant").order_by("pk")
    assert [(answer.uid, answer.text) for answer in answers] == [(old["id"], "Old"), (new["id"], "New")]


def test_an_edited_question_is_answered_again(chat, script):
    chat.ask("Wrong")
    script.next_reply().finish()
    question = chat.done("ask")["messages"][0]
    chat.ask("Right", messageId=question["id"])
    reply = script.next_reply()
    assert asked(reply) == ["Right"]
    reply.say("Yes")
    reply.finish()
    assert [text_of(message) for message in chat.done("ask")["messages"]] == ["Right", "Yes"]


def test_a_failed_model_is_an_error_with_a_fixed_sentence_and_can_be_asked_again(chat, script, caplog):
    chat.ask("Tell me")
    script.next_reply().fail("upstream")
    state = chat.done("ask")
    assert (state["status"], state["error"]) == ("error", ERRORS["upstream"].sentence)
    assert (stored().status, stored().error) == ("failed", "upstream")
    chat.regenerate()
    reply = script.next_reply()
    assert asked(reply) == ["Tell me"]
    reply.say("Now")
    reply.finish()
    assert chat.done("regenerate")["status"] == "ready"
    assert [text_of(message) for message in chat.state["messages"]] == ["Tell me", "Now"]
    caplog.clear()


def test_an_interrupted_answer_is_an_error_and_its_text_stays(chat, script):
    chat.ask("Tell me")
    reply = script.next_reply()
    reply.say("Half")
    chat.shows("Half")
    reply.break_off()
    state = chat.done("ask")
    assert (state["status"], state["error"]) == ("error", ERRORS["interrupted"].sentence)
    assert text_of(chat.answer) == stored().text == "Half"
    assert stored().status == "interrupted"


def test_a_question_while_an_answer_runs_is_refused_and_the_answer_continues(chat, script, open_chat):
    chat.ask("One")
    reply = script.next_reply()
    reply.say("U")
    chat.shows("U")
    second = open_chat(chat.state["messages"])
    second.ask("Two")
    state = second.done("ask")
    assert (state["status"], state["error"]) == ("error", ERRORS["busy"].sentence)
    reply.say("no")
    reply.finish()
    assert text_of(chat.done("ask")["messages"][-1]) == "Uno"
    assert (stored("user").text, stored().text) == ("One", "Uno")
