"""A stored answer as the chunks of a stream."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.chunks import Abort, Closing, Error, Finish, FinishStep, Start, StartStep
from chat.db.replay import parts_of, remainder, replay
from chat.models import Message
from chat.parts import ReasoningDelta, ReasoningPart, ReasoningStart, TextDelta, TextEnd, TextPart, TextStart


def message(*parts, status="complete", finish_reason="stop", error=""):
    stored = [{"type": kind, "text": text} for kind, text in parts]
    return Message(uid="a1", parts=stored, status=status, finish_reason=finish_reason, error=error)


HALF = [Start("a1"), StartStep(), TextStart("0"), TextDelta("0", "Hello, ")]


def test_a_whole_answer_is_replayed_from_start_to_ending():
    assert replay(message(("text", "Hi"))) == [
        Start("a1"),
        StartStep(),
        TextStart("0"),
        TextDelta("0", "Hi"),
        TextEnd("0"),
        FinishStep(),
        Finish("stop"),
    ]


@pytest.mark.parametrize(
    ("columns", "ending"),
    [
        ({"status": "cut", "finish_reason": "length"}, [FinishStep(), Finish("length")]),
        ({"status": "stopped", "finish_reason": ""}, [Abort()]),
        ({"status": "failed", "finish_reason": "", "error": "auth"}, [Error("auth")]),
        ({"status": "interrupted", "finish_reason": "", "error": "interrupted"}, [Error("interrupted")]),
        ({"status": "running", "finish_reason": ""}, [Error("interrupted")]),
    ],
)
def test_each_ending_is_replayed_as_it_was(columns, ending):
    assert replay(message(**columns)) == [Start("a1"), StartStep(), *ending]


def test_a_reader_gets_the_chunks_it_is_missing():
    rest = [TextDelta("0", "world."), TextEnd("0"), FinishStep(), Finish("stop")]
    assert remainder(message(("text", "Hello, world.")), HALF) == rest
    assert remainder(message(("text", "Hello, world.")), [*HALF, TextDelta("0", "world."), TextEnd("0")]) == rest[2:]


def test_a_reader_that_has_everything_gets_nothing():
    assert remainder(message(("text", "Hello, ")), [*HALF, TextEnd("0"), Finish("stop")]) == []


@pytest.mark.parametrize(
    ("parts", "held"),
    [
        ([("text", "Goodbye.")], HALF),
        ([("text", "Hello")], HALF),
        ([], HALF),
        ([("reasoning", "Hello, world.")], HALF),
        ([("text", "Hello, world."), ("text", "x")], [*HALF, TextEnd("0"), TextStart("1"), TextDelta("1", "x")]),
    ],
)
def test_there_is_no_remainder_for_a_reader_that_has_something_else(parts, held):
    assert remainder(message(*parts), held) is None


def test_the_parts_of_a_stream_are_those_of_its_message():
    held = [ReasoningStart("0"), ReasoningDelta("0", "Hm"), ReasoningDelta("0", "."), TextStart("1")]
    assert [(type(part).__name__, part.text) for part in parts_of(held)] == [("ReasoningPart", "Hm."), ("TextPart", "")]


def test_how_long_reasoning_took_is_replayed_and_read_back():
    stored = message(("reasoning", "Hm."), ("text", "So."))
    stored.parts[0]["seconds"] = 12.3
    assert replay(stored)[4].seconds == 12.3
    assert parts_of(replay(stored)) == (ReasoningPart("Hm.", 12.3), TextPart("So."))


@given(st.lists(st.tuples(st.sampled_from(["text", "reasoning"]), st.text(min_size=1)), max_size=4), st.data())
def test_wherever_a_reader_stands_the_remainder_completes_it(parts, data):
    stored = message(*parts)
    whole = replay(stored)
    held = whole[: data.draw(st.integers(0, len(whole) - 1))]
    if held and isinstance(held[-1], TextDelta | ReasoningDelta):  # in the middle of a text
        held[-1] = type(held[-1])(held[-1].id, held[-1].delta[: data.draw(st.integers(0, len(held[-1].delta)))])
    got = [*held, *remainder(stored, held)]
    assert [part.text for part in parts_of(got)] == [text for _, text in parts]
    assert isinstance(got[-1], Closing)
    assert [type(chunk) for chunk in got if not isinstance(chunk, TextDelta | ReasoningDelta)] == [
        type(chunk) for chunk in whole if not isinstance(chunk, TextDelta | ReasoningDelta)
    ]
