"""The values of buttons: what they stand for, and for whom they were made."""

from decimal import Decimal

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from chat.assistants import Assistant, tool
from chat.assistants.buttons import pressed, read, sign
from chat.assistants.discovery import registry
from chat.errors import Refusal
from chat.owners import Owner

OWNER = Owner("visitor:ann")


class Support(Assistant):
    @tool
    def cancel(self, number: int, reason: str = ""):
        """Cancels an order."""


@pytest.fixture(autouse=True)
def assistant():
    with registry.replaced(Support):
        yield


def value(arguments=None, label="Cancel", *, answers=True, tool="cancel", assistant="support"):
    given = {"number": 7} if arguments is None else arguments
    return sign(OWNER.digest, "c1", assistant, tool, given, label, answers=answers)


def test_a_button_stands_for_what_was_signed():
    button = read(value(), OWNER.digest, "c1")
    assert (button.tool, button.arguments, button.label, button.answers) == ("cancel", {"number": 7}, "Cancel", True)
    asked = pressed(button, OWNER, "de", whole=True)
    assert (asked.uid, asked.question, asked.text, asked.assistant) == ("c1", f"b-{button.nonce}", "Cancel", "support")
    assert (asked.press, asked.whole, asked.language) == (("cancel", {"number": 7}, True), True, "de")


def test_two_buttons_are_two_requests():
    assert read(value(), OWNER.digest, "c1").question != read(value(), OWNER.digest, "c1").question


OTHERS = [(Owner("visitor:bob").digest, "c1"), (OWNER.digest, "c2"), ("", "c1"), (OWNER.digest, "")]
CHANGES = [lambda text: text[:-1], lambda text: f"x{text}", lambda text: "", lambda text: "a:b"]


@pytest.mark.parametrize(("owner", "conversation"), OTHERS)
def test_a_button_is_only_for_its_owner_and_its_conversation(owner, conversation):
    with pytest.raises(Refusal, match="no such"):
        read(value(), owner, conversation)


@pytest.mark.parametrize("change", CHANGES)
def test_a_forged_value_is_refused(change):
    with pytest.raises(Refusal):
        read(change(value()), OWNER.digest, "c1")


def test_a_value_outlives_a_change_of_the_secret_key(settings):
    old = value()
    with override_settings(SECRET_KEY="another", SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
        assert read(old, OWNER.digest, "c1").tool == "cancel"
    with override_settings(SECRET_KEY="another"), pytest.raises(Refusal):
        read(old, OWNER.digest, "c1")


def test_arguments_are_encoded_as_results_are():
    assert read(value({"number": 7, "reason": Decimal("1.5")}), OWNER.digest, "c1").arguments["reason"] == "1.5"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tool": "nothing"}, "expects a tool of the assistant support, got 'nothing'"),
        ({"assistant": "nobody"}, "expects a tool of the assistant nobody"),
        ({"arguments": {"number": "seven"}}, "arguments that do not fit"),
        ({"arguments": {}}, "arguments that do not fit"),
        ({"arguments": {"number": object()}}, "arguments that do not fit"),
        ({"label": ""}, "needs a text"),
    ],
)
def test_a_wrong_button_is_named(changes, said):
    with pytest.raises(ImproperlyConfigured, match=said):
        value(**changes)
