"""Only the numbers of a usage report are stored."""

import pytest

from chat.backends.openai.figures import figures


@pytest.mark.parametrize(
    ("usage", "kept"),
    [
        (None, None),
        ({}, {}),
        ({"completion_tokens": 5, "cost": 0.5, "byok": False, "n": None}, {"completion_tokens": 5, "cost": 0.5,
         "byok": False, "n": None}),
        ({"details": {"cached": 1, "deep": {}}}, {"details": {"cached": 1, "deep": {}}}),
        ({"tier": "a\0", "list": [1], "nan": float("nan"), "huge": 10**30, "\0": 1, "\ud83d": 1}, {}),
        ({"a": {"a": {"a": {"a": {"a": {"a": 1}}}}}}, {"a": {"a": {"a": {"a": {}}}}}),
    ],
)  # fmt: skip
def test_figures_are_kept_and_nothing_else(usage, kept):
    assert figures(usage) == kept
