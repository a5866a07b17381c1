"""The Python API in the tests of a site: the test plays the model, and visitors see what is asked."""

import threading

import pytest
from django.contrib.auth.models import User
from django.test import TestCase, TransactionTestCase

from chat import ask, post
from chat.models import Conversation, Process
from chat.testing import ChatTestMixin
from chat.testing.fixtures import pytest_runtest_teardown


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "chat-questions"]


def test_a_question_is_answered_as_the_test_has_planned(chat_script, transactional_db):
    chat_script.will_say("Uno")
    assert ask("default", "One?").text == "Uno"
    assert (len(threads()), Process.objects.count()) == (1, 1)
    pytest_runtest_teardown()  # as the plugin's hook does, which these tests do not have
    assert (threads(), Process.objects.count()) == ([], 0)


def test_a_visitor_who_is_there_sees_what_is_asked_and_posted(chat_script, chat_visitor):
    ada = User.objects.create_user("ada")
    visitor = chat_visitor(user=ada)
    assert post("default", "Welcome.", user=ada) == visitor.conversation
    assert visitor.reload().text == "Welcome."
    chat_script.will_say("Uno")
    answer = ask("default", "One?", user=ada, conversation=visitor.conversation)
    assert (answer.text, visitor.reload().text) == ("Uno", "Uno")
    assert not threads()  # the visitor's site has answered


class SupportTests(ChatTestMixin, TransactionTestCase):
    def test_a_question_is_answered(self):
        self.script.will_say("Uno")
        self.assertEqual(ask("default", "One?").text, "Uno")
        self.assertEqual(len(threads()), 1)


class LaterTests(ChatTestMixin, TransactionTestCase):
    def test_the_loop_of_an_earlier_test_is_gone(self):
        self.assertEqual((threads(), Conversation.objects.count()), ([], 0))


class PlainTests(ChatTestMixin, TestCase):
    def test_a_test_case_in_a_transaction_is_told_what_it_needs(self):
        with pytest.raises(RuntimeError, match="A test needs TransactionTestCase, or pytest's transactional_db"):
            ask("default", "One?")
