"""``{% tool_button %}`` in the template of a tool."""

import html
import re
from dataclasses import replace

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.template import Context, Template

from chat.assistants import Assistant, tool
from chat.assistants.buttons import read
from chat.assistants.discovery import registry
from chat.html.calls import NOWHERE, CallConversation, CallView, call_html
from tests.support.templates import OwnTemplates

SHOP = CallConversation("c1", "support", "owner")


class Support(Assistant):
    @tool
    def cancel(self, number: int):
        """Cancels an order."""


@pytest.fixture(autouse=True)
def assistant():
    with registry.replaced(Support):
        yield


def rendered(text, **context):
    return Template("{% load llm_chat %}" + text).render(Context(context))


def button_in(page):
    value = html.unescape(re.search(r'name="call" value="press ([^"]+)"', page)[1])
    return read(value, SHOP.owner, SHOP.id)


def test_a_button_belongs_to_the_form_of_its_chat():
    page = rendered(
        '{% tool_button "cancel" number=order.number %}<b>Cancel</b> &amp;  "stop"{% endtool_button %}',
        conversation=SHOP,
        order={"number": 7},
    )
    assert page.startswith('<button class="llm-chat-action" form="llm-chat-calls-c1" name="call" value="press ')
    assert '<b>Cancel</b> &amp;  "stop"</button>' in page
    button = button_in(page)
    assert (button.tool, button.arguments, button.answers) == ("cancel", {"number": 7}, True)
    assert button.label == 'Cancel & "stop"'


def test_a_button_may_want_no_answer():
    page = rendered('{% tool_button "cancel" answer=False number=7 %}Cancel{% endtool_button %}', conversation=SHOP)
    assert button_in(page).answers is False


@pytest.mark.parametrize("conversation", [NOWHERE, replace(SHOP, read_only=True)])
def test_a_page_that_is_only_to_be_read_has_no_button(conversation):
    assert rendered('{% tool_button "cancel" number=7 %}Cancel{% endtool_button %}', conversation=conversation) == ""


@pytest.mark.parametrize(
    ("text", "context", "said"),
    [
        ('{% tool_button "cancel" number=7 %}Cancel{% endtool_button %}', {}, "belongs into the template of a tool"),
        ('{% tool_button "remove" %}Cancel{% endtool_button %}', {"conversation": SHOP}, "got 'remove'"),
        ('{% tool_button "cancel" %}Cancel{% endtool_button %}', {"conversation": SHOP}, "do not fit"),
        ('{% tool_button "cancel" number=7 %} {% endtool_button %}', {"conversation": SHOP}, "needs a text"),
    ],
)
def test_a_wrong_button_is_named(text, context, said):
    with pytest.raises(ImproperlyConfigured, match=said):
        rendered(text, **context)


def test_a_wrong_button_costs_no_page(settings, tmp_path, caplog):
    wrong = '{% load llm_chat %}{% tool_button "remove" %}Remove{% endtool_button %}'
    OwnTemplates(settings, tmp_path).tool("orders.html", wrong)
    assert "llm-chat-call" in call_html(CallView("orders", {}), SHOP)
    assert "got 'remove'" in caplog.text
