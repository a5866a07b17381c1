"""What endpoints report of a call's tokens, and estimates."""

import pytest

from chat.tokens import Tokens, estimated, estimated_input, reported

REPORTS = {
    "OpenAI": (
        {
            "prompt_tokens": 1200,
            "completion_tokens": 90,
            "total_tokens": 1290,
            "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 64, "audio_tokens": 0},
        },
        Tokens(1200, 1024, 90, 64),
    ),
    "without details": ({"prompt_tokens": 12, "completion_tokens": 8}, Tokens(12, None, 8, None)),
    "details that are null": (
        {"prompt_tokens": 12, "completion_tokens": 8, "prompt_tokens_details": None, "completion_tokens_details": None},
        Tokens(12, None, 8, None),
    ),
    "DeepSeek": (
        {
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "total_tokens": 120,
            "prompt_cache_hit_tokens": 64,
            "prompt_cache_miss_tokens": 36,
        },
        Tokens(100, 64, 20, None),
    ),
    "Anthropic": (
        {
            "input_tokens": 10,
            "cache_creation_input_tokens": 200,
            "cache_read_input_tokens": 3000,
            "output_tokens": 50,
        },
        Tokens(3210, 3000, 50, None),
    ),
    "OpenAI's responses": (
        {"input_tokens": 75, "input_tokens_details": {"cached_tokens": 5}, "output_tokens": 9, "total_tokens": 84},
        Tokens(75, 5, 9, None),
    ),
    "llama.cpp": (
        {
            "completion_tokens": 7,
            "prompt_tokens": 30,
            "total_tokens": 37,
            "prompt_tokens_details": {"cached_tokens": 29},
        },
        Tokens(30, 29, 7, None),
    ),
    "its timings": ({"prompt_n": 30, "predicted_n": 7, "cache_n": 4}, Tokens(30, 4, 7, None)),
    "Moonshot": ({"prompt_tokens": 19, "completion_tokens": 21, "cached_tokens": 10}, Tokens(19, 10, 21, None)),
    "reasoning beside the output": (
        {
            "prompt_tokens": 32,
            "completion_tokens": 9,
            "total_tokens": 135,
            "completion_tokens_details": {"reasoning_tokens": 94},
        },
        Tokens(32, None, 103, 94),
    ),
    "only the output": ({"completion_tokens": 9}, Tokens(None, None, 9, None)),
    "more cached than read": ({"prompt_tokens": 5, "completion_tokens": 1, "cached_tokens": 9}, Tokens(5, 5, 1, None)),
    "a float": ({"prompt_tokens": 5.0, "completion_tokens": 1.0}, Tokens(5, None, 1, None)),
    "nothing used": ({"prompt_tokens": 0, "completion_tokens": 0}, Tokens(0, None, 0, None)),
}


@pytest.mark.parametrize("name", REPORTS)
def test_reports_are_read(name):
    report, expected = REPORTS[name]
    assert reported(report) == expected


@pytest.mark.parametrize("report", [None, {}, {"cost": 3}, {"prompt_tokens": None}, {"prompt_tokens": "12"}])
def test_a_report_without_figures_is_none(report):
    assert reported(report) is None


@pytest.mark.parametrize("wrong", [-1, True, 2**31, 1e300, float("nan"), float("inf"), 1.5, "9", [], {}])
def test_what_is_no_count_is_not_known(wrong):
    assert reported({"prompt_tokens": wrong, "completion_tokens": 3}) == Tokens(None, None, 3, None)


def test_a_total_needs_both_sides():
    assert Tokens(3, None, 4).total == 7
    assert Tokens(0, None, 0).total == 0
    assert Tokens(None, None, 4).total is Tokens(3, None, None).total is None


def test_an_estimate_is_a_token_for_every_four_bytes():
    assert [estimated(text) for text in ("", "a", "abcd", "abcde", "äöüß", "日本", "\ud800")] == [0, 1, 1, 2, 2, 2, 1]


def test_the_estimate_of_an_input_has_the_calls_of_tools():
    call = {"id": "1", "type": "function", "function": {"name": "find", "arguments": "abcdefgh"}}
    messages = [{"role": "user", "content": "abcd"}, {"role": "assistant", "content": "", "tool_calls": [call]}]
    assert estimated_input(messages) == (4 + 1) + (4 + 0 + 1 + 2)
