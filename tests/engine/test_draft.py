"""The draft of an answer: deltas go in, merged chunks come out."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.backends.base import Reasoning, Text
from chat.engine import draft as module
from chat.engine.draft import Draft
from chat.parts import ReasoningPart, TextDelta, TextEnd, TextPart, TextStart

deltas = st.lists(st.builds(Text, st.text(min_size=1)) | st.builds(Reasoning, st.text(min_size=1)) | st.none())


def test_the_deltas_of_a_tick_are_one_chunk():
    draft = Draft()
    for word in ("a", "b", "c"):
        draft.add(Text(word))
    assert draft.take() == [TextStart("0"), TextDelta("0", "abc")]
    assert draft.take() == []
    draft.add(Text("d"))
    assert draft.end() == [TextDelta("0", "d"), TextEnd("0")]


@given(deltas)
def test_the_chunks_and_the_parts_hold_the_same_text_wherever_ticks_fall(script):
    draft, chunks = Draft(), []
    for step in script:  # None is a tick
        draft.add(step) if step is not None else chunks.extend(draft.take())
    chunks += draft.end()
    texts: dict[str, str] = {}
    for chunk in chunks:
        if hasattr(chunk, "delta"):
            texts[chunk.id] = texts.get(chunk.id, "") + chunk.delta
    assert [part.text for part in draft.parts()] == list(texts.values())
    assert draft.length == sum(len(step.text) for step in script if step is not None)
    starts = [chunk for chunk in chunks if type(chunk).__name__.endswith("Start")]
    ends = [chunk for chunk in chunks if type(chunk).__name__.endswith("End")]
    assert len(starts) == len(ends) == len(draft.parts())


def test_a_checkpoint_includes_deltas_that_no_tick_has_taken_yet():
    draft = Draft()
    draft.add(Text("so far"))
    assert draft.parts() == (TextPart("so far"),)
    assert draft.take() == [TextStart("0"), TextDelta("0", "so far")]


@pytest.fixture
def clock(monkeypatch):
    """Replace the clocks; ``clock.now`` is both the Unix time and the monotonic one."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: clock.now, monotonic=lambda: clock.now))
    return clock


def test_reasoning_is_timed_from_its_first_delta_to_the_first_of_the_text(clock):
    answer = Draft()
    answer.add(Reasoning("Hm"))
    clock.now = 112.34
    assert answer.parts() == (ReasoningPart("Hm"),)
    answer.add(Text("So"))
    clock.now = 150.0
    start, _, end, *_ = answer.end()
    assert (start.started, end.seconds) == (100.0, 12.3)
    assert answer.parts() == (ReasoningPart("Hm", 12.3), TextPart("So"))


def test_reasoning_that_is_stopped_has_taken_the_time_until_then(clock):
    answer = Draft()
    answer.add(Reasoning("Hm"))
    clock.now = 102.0
    assert answer.end()[-1].seconds == 2.0
    assert answer.parts() == (ReasoningPart("Hm", 2.0),)


def test_a_continued_answer_keeps_the_known_time_and_measures_more_reasoning_on_its_own(clock):
    begun = (ReasoningPart("old"), TextPart("Half"), ReasoningPart("Hm", 7.0))
    answer = Draft(begun)
    clock.now = 103.0
    answer.add(Reasoning("again"))
    clock.now = 104.0
    answer.end()
    assert answer.parts() == (*begun, ReasoningPart("again", 1.0))
