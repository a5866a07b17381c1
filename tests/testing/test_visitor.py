"""A visitor in verbs, in a plain test: what each verb does, and what it says when it fails."""

import pytest
from django.contrib.auth.models import Group, User
from django.core.exceptions import ImproperlyConfigured

from chat.models import Conversation, Message
from chat.testing import Visitors, assert_tool_called, visitor
from chat.testing.visitor import check_database


@pytest.fixture
def ann(transactional_db):
    return User.objects.create_user("ann")


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(visitor, "WAIT", 0.2)


def test_a_visitor_asks_and_is_answered(chat_visitor, chat_script):
    chat_script.will_say("One ", "two.")
    asking = chat_visitor().ask("Count").expect_text("One two.").expect_status("complete")
    assert chat_script.requests[0].messages == [{"role": "user", "content": "Count"}]
    question, answer = Message.objects.order_by("pk")
    assert (question.text, answer.text, answer.status) == ("Count", "One two.", "complete")
    assert asking.answer == answer
    assert [chunk["type"] for chunk in asking.chunks][-2:] == ["finish-step", "finish"]


async def test_a_test_that_is_a_coroutine_uses_the_same_verbs(chat_visitor, chat_script):
    chat_script.will_say("Uno")
    assert chat_visitor().ask("Count").expect_status().text == "Uno"
    assert await Message.objects.acount() == 2


def test_the_model_is_played_by_hand(chat_visitor, chat_script):
    asking = chat_visitor().ask("Count")
    reply = chat_script.next_reply()
    reply.say("One ")
    assert asking.expect_text("One").text == "One "
    reply.say("two.")
    reply.finish()
    asking.expect_text("One two.")


def test_a_visitor_has_one_conversation_with_an_assistant_about_an_object(chat_visitor, chat_script, ann):
    group = Group.objects.create(name="Order 1")
    chat_script.will_say("Uno")
    asking = chat_visitor("support", user=ann, about=group, language="de").ask("Where?").expect_text("Uno")
    told = chat_script.requests[0].messages[0]
    assert told == {"role": "system", "content": "You help ann with Order 1, in de."}
    stored = Conversation.objects.get()
    assert (stored.uid, stored.user, stored.about_key) == (asking.conversation, ann, str(group.pk))
    assert chat_visitor("support", user=ann, about=group).reload().text == "Uno"
    assert chat_visitor("support", about=group).reload().text == ""


def test_a_visitor_without_permission_is_refused(chat_visitor):
    asking = chat_visitor("support", about=Group.objects.create(name="secret")).ask("Where?")
    asking.expect_refused("forbidden")
    assert not Message.objects.exists()
    with pytest.raises(AssertionError, match=r"with 'Here'. Got: the request was refused as 'forbidden'"):
        asking.expect_text("Here")
    with pytest.raises(AssertionError, match=r"the status 'complete', not 'no answer'"):
        asking.expect_status()


def test_a_visitor_names_a_conversation(chat_visitor, chat_script):
    chat_script.will_say("Uno")
    chat_visitor(conversation="wine").ask("Count").expect_status()
    assert Conversation.objects.get().uid == "wine"


def test_a_visitor_stops_after_some_pieces_of_text(chat_visitor, chat_script):
    chat_script.will_say(*"abcdef", finish=False)
    asking = chat_visitor().ask("Say").stop_after(3).expect_status("stopped")
    assert asking.text.startswith("abc")
    assert asking.reload().text == asking.answer.text


def test_an_answer_that_ends_before_it_is_stopped_fails_the_test(chat_visitor, chat_script):
    chat_script.will_say("a", "b")
    asking = chat_visitor().ask("Say")
    with pytest.raises(
        AssertionError, match=r"Expected 3 pieces of text before the answer ends. Got: 'ab', and the an"
    ):
        asking.stop_after(3)


def test_a_visitor_reloads_mid_answer_and_afterwards(chat_visitor, chat_script):
    asking = chat_visitor().reload().ask("Count")
    reply = chat_script.next_reply()
    reply.say("One ")
    asking.expect_text("One").reload().expect_text("One")
    reply.say("two.")
    reply.finish()
    asking.expect_text("One two.").expect_status().reload().expect_text("One two.").expect_status()


def test_a_failure_of_the_model_is_seen(chat_visitor, chat_script):
    chat_script.will_fail("refused")
    asking = chat_visitor().ask("Count").expect_status("failed")
    with pytest.raises(AssertionError, match=r"'complete', not 'failed'. Got: '', and then the error 'refused'"):
        asking.expect_status("complete")


def test_a_text_that_does_not_come_fails_the_test_with_what_came(chat_visitor, chat_script):
    chat_script.will_call("orders", status="sent")
    chat_script.will_say("Nothing.")
    asking = chat_visitor("support").ask("Where?")
    with pytest.raises(AssertionError) as error:
        asking.expect_text("Lyon")
    assert str(error.value) == (
        "Expected an answer with 'Lyon'. Got: 'Nothing.', after the calls orders(status='sent'), "
        "and the answer has ended."
    )


def test_a_model_that_nobody_plays_fails_the_test_with_a_hint(chat_visitor, impatient):
    asking = chat_visitor().ask("Count")
    with pytest.raises(AssertionError, match=r"is still running. The model waits for its reply: plan it by will_say"):
        asking.expect_text("One")


def test_a_socket_that_the_site_closes_fails_the_test(chat_visitor, settings):
    settings.CHAT = {**settings.CHAT, "MAX_FRAME_SIZE": 10}
    with pytest.raises(AssertionError, match=r"an open websocket. Got: .* closed the websocket with 1009: A frame may"):
        chat_visitor().ask("Count")


def test_a_request_that_was_not_refused_fails_the_test(chat_visitor, chat_script):
    chat_script.will_say("Uno")
    with pytest.raises(AssertionError, match=r"Expected a request that is refused as 'forbidden'. Got: 'Uno'"):
        chat_visitor().ask("Count").expect_status().expect_refused("forbidden")


def test_a_visitor_allows_a_call(chat_visitor, chat_script):
    chat_script.will_call("cancel", number="1")
    chat_script.will_say("Done.")
    asking = chat_visitor("support").ask("Cancel it!").expect_status("waiting").decide(True)
    assert asking.expect_text("Done.").expect_status().answer.text == "Done."
    assert assert_tool_called("cancel", number="1").output == "1 is cancelled."


def test_a_visitor_denies_a_call_after_a_reload_and_says_why(chat_visitor, chat_script):
    chat_script.will_call("cancel", number="1")
    chat_script.will_say("As you like.")
    asking = chat_visitor("support").ask("Cancel it!").expect_status("waiting").reload()
    asking.decide(False, "cancel", reason="Too late.").expect_text("As you like.").expect_status()
    call = assert_tool_called("cancel")
    assert (call.state, call.reason) == ("denied", "Too late.")
    assert "Too late." in chat_script.requests[-1].messages[-1]["content"]


def test_a_decision_without_a_call_that_waits_fails_the_test(chat_visitor, chat_script):
    chat_script.will_call("orders")
    chat_script.will_say("Here.")
    asking = chat_visitor("support").ask("Where?")
    with pytest.raises(AssertionError, match=r"one call of 'cancel' that waits .* Got: orders\(\), done\."):
        asking.decide(True, "cancel")


def test_two_visitors_share_the_site_and_see_their_own_conversations(chat_visitor, chat_script):
    for text in ("Uno", "Due"):
        chat_script.will_say(text)
        chat_visitor().ask("Count").expect_text(text)
    assert Conversation.objects.count() == 2


def test_what_is_left_running_is_interrupted_at_the_end(transactional_db, chat_script):
    visitors = Visitors(chat_script)
    visitors().ask("Count")
    chat_script.next_reply().say("One")
    visitors.close()
    assert Message.objects.get(role="assistant").status == "interrupted"


def test_a_visitor_in_a_transaction_is_refused(db, chat_script):
    with pytest.raises(ImproperlyConfigured, match=r"stores in a transaction. Expected TransactionTestCase"):
        Visitors(chat_script)()


def test_a_database_in_memory_is_refused(transactional_db, monkeypatch):
    monkeypatch.setattr("django.db.backends.sqlite3.base.DatabaseWrapper.is_in_memory_db", lambda self: True)
    with pytest.raises(ImproperlyConfigured, match=r"stores in an SQLite database in memory"):
        check_database()


def test_a_site_without_an_application_is_refused(chat_visitor, settings):
    settings.ASGI_APPLICATION = ""
    with pytest.raises(ImproperlyConfigured, match="ASGI_APPLICATION"):
        chat_visitor()


def test_a_handshake_that_the_site_refuses_fails_the_test(chat_visitor, settings):
    settings.ALLOWED_HOSTS = ["shop.example"]
    with pytest.raises(AssertionError, match=r"Expected an open websocket. Got: .*the site closed the websocket"):
        chat_visitor().ask("Count")


def test_an_error_of_the_sites_application_fails_the_test(chat_visitor, monkeypatch):
    async def broken(scope, receive, send):
        raise LookupError("no such shop")

    monkeypatch.setattr("chat.testing.server.get_default_application", lambda: broken)
    asking = chat_visitor()
    with pytest.raises(AssertionError, match=r"the site's application raised LookupError\('no such shop'\)"):
        asking.ask("Count")
    with pytest.raises(LookupError):
        asking.close()
