"""What the tests of a site need: a model that the test plays, visitors, and the contract of a backend.

With pytest, name the plugin in the site's ``conftest.py``; with ``unittest``, add the mixin to a test case::

    pytest_plugins = ["llm_chat.testing.fixtures"]

    class SupportTests(ChatTestMixin, TransactionTestCase):
        def test_a_customer_sees_open_orders(self):
            visitor = self.visitor("support", user=self.customer)
            self.script.will_call("orders", status="open")
            self.script.will_say("One order is open.")
            visitor.ask("What have I ordered?").expect_text("One order is open.")
            assert_tool_called("orders", status="open")

Both let the scripted backend take the place of all models of the site, so that no test calls a real one by accident.

A backend of your own is checked without either::

    async def test_our_backend_keeps_the_contract():
        await check_backend(OurBackend(model="small"))

Each check asks the backend's model, and raises ``AssertionError`` with what was expected.
"""

from ..backends.scripted import Reply, Script, ScriptedBackend
from .calls import assert_tool_called, assert_tool_not_called
from .cases import ChatTestMixin
from .contract import (
    ask,
    check_backend,
    check_cancelling,
    check_closing,
    check_concurrency,
    check_end,
    check_loading,
    check_name,
    check_text,
    read,
    text_of,
)
from .scripted import scripted_model
from .visitor import Visitor
from .visitors import Visitors

__all__ = [
    "ChatTestMixin",
    "Reply",
    "Script",
    "ScriptedBackend",
    "Visitor",
    "Visitors",
    "ask",
    "assert_tool_called",
    "assert_tool_not_called",
    "check_backend",
    "check_cancelling",
    "check_closing",
    "check_concurrency",
    "check_end",
    "check_loading",
    "check_name",
    "check_text",
    "read",
    "scripted_model",
    "text_of",
]
