"""The mixin for test cases of Django."""

from django.contrib.auth.models import User
from django.test import TestCase, TransactionTestCase

from chat.conf import conf
from chat.models import Message
from chat.testing import ChatTestMixin, assert_tool_called


class WithVisitors(ChatTestMixin, TransactionTestCase):
    def setUp(self):
        self.ann = User.objects.create_user("ann")  # and no super().setUp()

    def test_a_visitor_is_answered(self):
        self.script.will_call("orders")
        self.script.will_say("One is open.")
        self.visitor("support", user=self.ann).ask("What?").expect_text("One is open.")
        assert_tool_called("orders")

    async def test_a_coroutine_uses_the_same_verbs(self):
        self.script.will_say("Uno")
        self.visitor(user=self.ann).ask("Count").expect_text("Uno")
        assert await Message.objects.acount() == 2

    def test_each_test_has_a_script_of_its_own(self):
        assert self.script.requests == []


class WithoutVisitors(ChatTestMixin, TestCase):
    def test_no_model_of_the_site_is_left(self):
        (backend,) = conf.backends.values()
        assert backend["BACKEND"] == "chat.backends.scripted.ScriptedBackend"


def test_the_sites_own_models_are_back_afterwards(settings):
    before = dict(conf.backends)
    result = WithoutVisitors("test_no_model_of_the_site_is_left").run()
    assert result is not None and result.wasSuccessful()
    assert conf.backends == before
