"""``ask`` in a process without a server, as in a command, a worker or a shell."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.db import DatabaseError, transaction
from django.test import TestCase

from chat import Answer, ChatRefused, aask, ask
from chat.assistants import Assistant, tool
from chat.assistants.discovery import registry
from chat.db.deletion import hide
from chat.engine import background, run, start
from chat.engine.engine import engines
from chat.errors import ERRORS, sentence
from chat.models import Conversation, Message, Process
from chat.owners import Owner, key_of
from chat.signals import asking as question_asked
from chat.signals import limit_reached
from tests.support.processes import ROOT
from tests.support.upstream import eventually

IMPORTS = """
import sys
from chat import Answer, ChatRefused, aask, ask, astream
from django.apps import apps
print(apps.ready, [name for name in sys.modules if name.startswith(("chat.models", "chat.engine", "openai"))])
"""


def test_importing_the_api_needs_no_apps_and_imports_no_model():
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "chatproject.settings"}
    command = [sys.executable, "-c", IMPORTS]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "False []\n"


def test_an_answer_is_returned_when_it_has_ended(asking):
    asking.will_say("One ", "two.")
    answer = ask("default", "Count")
    conversation = Conversation.objects.get()
    part = {"type": "text", "text": "One two."}
    assert answer == Answer("complete", "One two.", (part,), conversation=conversation.uid)
    assert asking.requests[0].messages == [{"role": "user", "content": "Count"}]
    assert (conversation.owner, conversation.user, conversation.running) == ("server", None, None)
    roles = Message.objects.order_by("pk").values_list("role", "status")
    assert list(roles) == [("user", "complete"), ("assistant", "complete")]


def test_a_user_has_the_conversation_in_the_list_and_goes_on_with_it(asking, ada):
    asking.will_say("Uno.")
    first = ask("default", "One?", user=ada)
    asking.will_say("Dos.")
    second = ask("default", "Two?", user=ada, conversation=first.conversation)
    assert second.conversation == first.conversation
    assert [message["content"] for message in asking.requests[1].messages] == ["One?", "Uno.", "Two?"]
    (listed,) = Owner(key_of(ada.pk), ada.pk).conversations.listed()
    assert (listed.uid, listed.user, listed.unread, listed.title) == (first.conversation, ada, True, "One?")


def test_an_assistant_gets_the_user_the_object_and_the_language_also_when_the_conversation_goes_on(asking, ada):
    group = Group.objects.create(name="Order 1")
    asking.will_say("Yes.")
    first = ask("support", "Here?", user=ada, about=group, language="de")
    asking.will_say("No.")
    ask("support", "There?", user=ada, conversation=first.conversation)
    told = [request.messages[0]["content"] for request in asking.requests]
    assert told == ["You help ada with Order 1, in de.", "You help ada with Order 1, in English."]
    stored = Conversation.objects.get()
    assert (stored.assistant, stored.about_model, stored.about_key) == ("support", "auth.group", str(group.pk))


def test_tools_are_called_and_what_they_found_is_returned(asking, ada):
    asking.will_call("manual", topic="Chains")
    asking.will_say("See [1].")
    answer = ask("support", "How?", user=ada)
    call, text = answer.parts
    assert text == {"type": "text", "text": "See [1]."}
    found = {"llm_chat": "source", "title": "Chains", "url": "/manual/1/", "excerpt": "Turn it."}
    assert call == {
        **{"type": "tool", "name": "manual", "input": {"topic": "Chains"}},
        **{"state": "done", "output": [found], "error": ""},
    }
    assert answer.sources == ({"number": 1, "title": "Chains", "url": "/manual/1/", "excerpt": "Turn it."},)


def test_an_answer_that_waits_for_a_decision_says_so(asking, ada):
    asking.will_call("cancel", number="7")
    answer = ask("support", "Cancel it", user=ada)
    assert (answer.status, answer.text, answer.error) == ("waiting", "", "")
    assert answer.parts[0]["state"] == "asked"
    assert Conversation.objects.get().uid == answer.conversation


def test_a_failed_answer_is_a_status(asking):
    asking.will_fail("upstream")
    answer = ask("default", "Count")
    assert (answer.status, answer.error, answer.text, answer.parts) == ("failed", "upstream", "", ())


def test_the_usage_is_that_of_the_endpoint(asking):
    results = []
    thread = threading.Thread(target=lambda: results.append(ask("default", "Count")))
    thread.start()
    reply = asking.next_reply()
    reply.say("One")
    reply.finish(usage={"prompt_tokens": 3})
    thread.join(10)
    assert (results[0].usage, results[0].text) == ({"prompt_tokens": 3}, "One")


@pytest.mark.parametrize(("said", "status", "error"), [(("One ",), "cut", ""), ((), "failed", "timeout")])
def test_an_answer_that_takes_longer_than_its_caller_waits_is_cut(asking, said, status, error):
    asking.will_say(*said, finish=False)
    answer = ask("default", "Count", timeout=0.3)
    assert (answer.status, answer.text, answer.error) == (status, "".join(said), error)
    stored = Message.objects.get(role="assistant")
    assert (stored.status, stored.text) == (status, "".join(said))


def test_a_conversation_that_is_deleted_mid_answer_interrupts_it(asking, ada):
    results = []
    thread = threading.Thread(target=lambda: results.append(ask("default", "Count", user=ada)))
    thread.start()
    asking.next_reply().say("One")
    ((_, engine),) = engines()
    asyncio.run(eventually(lambda: any(run.draft.length for run in engine.runs.values())))
    Conversation.objects.all().delete()
    thread.join(10)
    assert (results[0].status, results[0].error, results[0].text) == ("interrupted", "interrupted", "One")


def refused(*arguments, **options):
    with pytest.raises(ChatRefused) as found:
        ask(*arguments, **options)
    return found.value.code, str(found.value)


def test_a_question_that_is_refused_raises_and_nothing_is_stored(asking, ada, settings):
    settings.CHAT = {**settings.CHAT, "MAX_MESSAGE_LENGTH": 10}
    group, secret = Group.objects.create(name="Order 1"), Group.objects.create(name="secret")
    idle = User.objects.create_user("idle", is_active=False)
    forbidden = "forbidden", ERRORS["forbidden"].sentence
    assert refused("default", " \n") == ("empty", ERRORS["empty"].sentence)
    assert refused("default", "12345678901") == ("too_long", ERRORS["too_long"].sentence)
    assert refused("default", "", language="de") == ("empty", sentence("empty", "de"))
    assert refused("nobody", "Hello") == (
        "forbidden",
        'There is no assistant "nobody". There are: "default", "support".',
    )
    assert refused("support", "Hello") == forbidden
    assert refused("support", "Hello", user=idle) == forbidden
    assert refused("support", "Hello", user=ada, about=secret) == forbidden
    assert refused("support", "Hello", user=ada, about=ada) == forbidden
    Group.objects.filter(pk=group.pk).delete()
    assert refused("support", "Hello", user=ada, about=group) == forbidden
    assert (Message.objects.count(), asking.requests) == (0, [])


def test_only_the_own_conversation_of_a_user_can_be_continued(asking, ada):
    bob = User.objects.create_user("bob")
    group, other = Group.objects.create(name="Order 1"), Group.objects.create(name="Order 2")
    asking.will_say("Yes.")
    answer = ask("support", "Hello", user=ada, about=group)
    gone = "gone", ERRORS["gone"].sentence
    assert refused("support", "And?", user=bob, conversation=answer.conversation) == gone
    assert refused("support", "And?", conversation=answer.conversation) == gone
    assert refused("support", "And?", user=ada, conversation="another") == gone
    assert refused("default", "And?", user=ada, conversation=answer.conversation)[0] == "conflict"
    assert refused("support", "And?", user=ada, about=other, conversation=answer.conversation)[0] == "conflict"
    owner = Owner(key_of(ada.pk), ada.pk)
    hide(owner, owner.conversations)
    assert refused("support", "And?", user=ada, conversation=answer.conversation) == gone
    assert Message.objects.count() == 2


def test_a_receiver_of_asking_refuses_with_its_sentence(asking):
    def refuse(text, **_):
        raise ChatRefused("Not today.")

    question_asked.connect(refuse)
    try:
        assert refused("default", "Hello") == ("declined", "Not today.")
    finally:
        question_asked.disconnect(refuse)


def test_without_the_database_a_question_is_refused(asking, monkeypatch):
    def fail(*_):
        raise DatabaseError("away")

    monkeypatch.setattr(start, "ask", fail)
    assert refused("default", "Hello") == ("storage", ERRORS["storage"].sentence)


def test_an_answer_that_could_not_be_stored_is_returned_and_says_so(asking, monkeypatch):
    def fail(*_):
        raise DatabaseError("away")

    monkeypatch.setattr(run, "finish", fail)
    asking.will_say("One ", "two.")
    answer = ask("default", "Count")
    part = {"type": "text", "text": "One two."}
    assert (answer.status, answer.error, answer.text, answer.parts) == ("failed", "not_saved", "One two.", (part,))


@pytest.mark.parametrize("user", [AnonymousUser(), User(username="unsaved"), "ada"], ids=str)
def test_a_user_must_be_stored(db, user):
    with pytest.raises(TypeError, match="user must be a user that is stored, or None, got "):
        ask("default", "Hello", user=user)


@pytest.mark.parametrize("timeout", ["5", True, timedelta(seconds=5)], ids=repr)
def test_a_timeout_that_is_no_number_is_named_before_anything_is_asked(db, timeout):
    with pytest.raises(TypeError, match="timeout must be a number of seconds, or None, got "):
        ask("default", "Hello", timeout=timeout)
    assert not Message.objects.exists()


@pytest.mark.parametrize("timeout", [0, -1.5, float("inf"), float("nan")])
def test_a_timeout_that_is_not_positive_is_named(db, timeout):
    with pytest.raises(ValueError, match="timeout must be a positive number of seconds, or None, got "):
        ask("default", "Hello", timeout=timeout)


def test_a_language_is_one_of_the_sites(db):
    with pytest.raises(TypeError, match="language must be a string, got 3"):
        ask("default", "Hello", language=3)
    with pytest.raises(ValueError, match="language must be one of LANGUAGES in the site's settings, got 'xx-bad'"):
        ask("default", "Hello", language="xx-bad")


def test_arguments_of_the_wrong_type_are_named(db):
    with pytest.raises(TypeError, match="text must be a string, got None"):
        ask("default", None)
    with pytest.raises(TypeError, match="about must be an object that is stored"):
        ask("default", "Hello", about=Group(name="unsaved"))
    with pytest.raises(TypeError, match="unexpected keyword argument 'subject'"):
        ask("default", "Hello", subject=None)


async def test_asking_inside_an_event_loop_is_an_error_that_names_aask():
    with pytest.raises(RuntimeError, match="await aask"):
        ask("default", "Hello")


def test_asking_inside_a_transaction_is_an_error_that_says_what_to_do(transactional_db, script):
    with transaction.atomic(), pytest.raises(RuntimeError, match=r"stores in a transaction\. .*non_atomic_requests"):
        ask("default", "Hello")


class InATestCase(TestCase):
    """Django's own, which is a transaction."""

    def test_asking_says_which_test_case_it_needs(self):
        with pytest.raises(RuntimeError, match="TransactionTestCase"):
            ask("default", "Hello")

    async def test_so_does_a_coroutine(self):
        with pytest.raises(RuntimeError, match="TransactionTestCase"):
            await aask("default", "Hello")


def test_a_tool_that_is_synchronous_can_ask(asking, ada):
    class Clerk(Assistant):
        @tool
        def look_up(self, word: str) -> str:
            """Ask another assistant."""
            return ask("default", word, user=self.user).text

    with registry.replaced(*registry.defined, Clerk):
        asking.will_call("look_up", word="Uno")
        asking.will_say("One.")
        asking.will_say("It means one.")
        answer = ask("clerk", "What is uno?", user=ada)
    assert (answer.text, answer.parts[0]["output"]) == ("It means one.", "One.")


def test_threads_ask_at_once(asking):
    results = []
    threads = [threading.Thread(target=lambda: results.append(ask("default", "Count"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    replies = [asking.next_reply() for _ in threads]  # all of them wait for the model at the same time
    for reply in replies:
        reply.say("One")
        reply.finish()
    for thread in threads:
        thread.join(10)
    assert [answer.text for answer in results] == ["One"] * 8
    assert len({answer.conversation for answer in results}) == 8


def test_ctrl_c_stops_the_answer(asking):
    def interrupt():
        asking.next_reply().say("One")
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        ask("default", "Count")
    thread.join(10)
    background.close()
    assert Message.objects.get(role="assistant").status == "stopped"


def test_a_loop_of_another_thread_that_serves_no_site_does_not_matter(asking):
    asking.will_say("One")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        assert ask("default", "Count").text == "One"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def test_an_idle_thread_ends_and_the_next_question_begins_another(asking, monkeypatch):
    monkeypatch.setattr(background, "IDLE", 0.05)
    asking.will_say("One")
    ask("default", "Count")
    assert Process.objects.get().client
    (thread,) = (thread for thread in threading.enumerate() if thread.name == "chat-questions")
    thread.join(10)
    assert (thread.is_alive(), Process.objects.count()) == (False, 0)
    asking.will_say("Two")
    assert ask("default", "Count").text == "Two"


def test_a_question_that_takes_long_is_not_idle(asking, monkeypatch):
    monkeypatch.setattr(background, "IDLE", 0.05)
    results = []
    thread = threading.Thread(target=lambda: results.append(ask("default", "Count")))
    thread.start()
    reply = asking.next_reply()
    thread.join(0.3)
    reply.say("One")
    reply.finish()
    thread.join(10)
    assert results[0].text == "One"


def test_a_question_that_a_limit_refuses_is_sent_to_the_receivers_before_the_process_ends(asking, ada, settings):
    heard = []

    def note(sender, who, retry_at, assistant, **_):
        heard.append((who, retry_at, assistant.user))

    settings.CHAT = {**settings.CHAT, "LIMITS": {"user": {"answers": "1/day"}}}
    asking.will_say("Uno.")
    ask("default", "One", user=ada)
    limit_reached.connect(note)
    try:
        with pytest.raises(ChatRefused) as refused:
            ask("default", "Two", user=ada)
        background.close()
    finally:
        limit_reached.disconnect(note)
    assert heard == [("user", refused.value.retry_at, ada)]
