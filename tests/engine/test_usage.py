"""What the steps of an answer have used."""

import pytest

from chat.engine.usage import summed


@pytest.mark.parametrize(
    ("usage", "more", "expected"),
    [
        (None, None, None),
        ({"a": 1}, None, {"a": 1}),
        (None, {"a": 1}, {"a": 1}),
        ({"a": 1, "b": 2}, {"a": 3, "c": 4}, {"a": 4, "b": 2, "c": 4}),
        ({"d": {"cached": 1}}, {"d": {"cached": 2}}, {"d": {"cached": 3}}),
        ({"a": None}, {"a": 3}, {"a": 3}),
    ],
)
def test_the_usage_of_the_steps_is_added_up(usage, more, expected):
    assert summed(usage, more) == expected
