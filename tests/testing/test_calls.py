"""Assertions about calls of tools, in tests of all kinds."""

import pytest

from chat.testing import assert_tool_called, assert_tool_not_called


@pytest.fixture
def asked(chat_visitor, chat_script):
    """A conversation in which two tools were called."""
    chat_script.will_call("orders", status="sent", limit=3)
    chat_script.will_call("parcel", number="0")
    chat_script.will_say("Nothing.")
    return chat_visitor("support").ask("Where?").expect_status()


def test_a_call_is_found_by_its_name_and_some_of_its_arguments(asked):
    assert assert_tool_called("orders").output == ["A sent one"]
    assert assert_tool_called("orders", status="sent").input == {"status": "sent", "limit": 3}
    assert_tool_called("parcel", number="0")
    assert [call.name for call in asked.calls] == ["orders", "parcel"]


async def test_a_test_that_is_a_coroutine_asserts_the_same(asked):
    assert assert_tool_called("parcel").error == "No such parcel."


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("orders", {"status": "open"}, "orders(status='open')"),
        ("orders", {"page": 1}, "orders(page=1)"),
        ("manual", {}, "manual()"),
    ],
)
def test_a_call_that_is_missing_fails_the_test_with_those_that_there_are(asked, name, arguments, expected):
    with pytest.raises(AssertionError) as error:
        assert_tool_called(name, **arguments)
    assert str(error.value) == (
        f"Expected a call {expected}. Got: orders(limit=3, status='sent'), done; "
        "parcel(number='0'), failed (No such parcel.)."
    )
    assert_tool_not_called(name, **arguments)


def test_a_call_that_should_not_be_there_fails_the_test(asked):
    with pytest.raises(AssertionError, match=r"Expected no call parcel\(number='0'\). Got: orders\("):
        assert_tool_not_called("parcel", number="0")


def test_without_any_calls_the_message_says_so(transactional_db):
    with pytest.raises(AssertionError, match=r"Expected a call orders\(\). Got: no calls."):
        assert_tool_called("orders")


def test_arguments_are_compared_as_plain_data(chat_visitor, chat_script):
    chat_script.will_call("orders", status=["a", "b"])
    chat_script.will_say("No.")
    chat_visitor("support").ask("Where?").expect_status()
    with pytest.raises(AssertionError, match="Got: orders"):
        assert_tool_called("orders", status="a")
