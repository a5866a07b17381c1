"""The draft of an answer: deltas go in, merged chunks come out."""

from hypothesis import given
from hypothesis import strategies as st

from chat.backends.base import Reasoning, Text
from chat.engine.draft import Draft
from chat.parts import TextDelta, TextEnd, TextPart, TextStart

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
