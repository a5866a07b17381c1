"""A reply is the same text, however the network cut it; what cannot be read is a failure after the text before it."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.backends.base import Reasoning, Text
from chat.backends.completions import Reply
from chat.backends.sse import MAX_EVENT_SIZE
from tests.behaviours import ANSWER, TEXTS, USAGE, completion, event, events

WHOLE = b"".join(events(*TEXTS))


def say(**delta):
    return event(completion(delta))


def test_a_whole_reply_is_its_text_its_reason_and_its_usage():
    reply = Reply()
    assert reply.read(WHOLE) == [Text(ANSWER)]
    assert (reply.reason, reply.usage, reply.done, reply.failure) == ("stop", USAGE, True, None)


@given(st.lists(st.integers(0, len(WHOLE)), max_size=40))
def test_the_pieces_make_no_difference(cuts):
    reply = Reply()
    edges = [0, *sorted(cuts), len(WHOLE)]
    pieces = [WHOLE[start:stop] for start, stop in pairwise(edges)]
    assert "".join(delta.text for piece in pieces for delta in reply.read(piece)) == ANSWER
    assert (reply.reason, reply.usage, reply.done) == ("stop", USAGE, True)


def test_each_delta_is_there_as_soon_as_its_event_is():
    reply = Reply()
    assert [reply.read(say(content=text)) for text in TEXTS] == [[Text(text)] for text in TEXTS]


def test_neighbours_of_one_kind_in_one_read_are_merged():
    read = say(reasoning="H") + say(reasoning="m") + say(content="Y") + say(content="es") + say(reasoning="?")
    assert Reply().read(read) == [Reasoning("Hm"), Text("Yes"), Reasoning("?")]


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_reasoning_has_two_names(field):
    assert Reply().read(say(**{field: "Hm."})) == [Reasoning("Hm.")]


def test_reasoning_under_both_names_is_read_once():
    assert Reply().read(say(reasoning="Hm.", reasoning_content="Hm.")) == [Reasoning("Hm.")]


def test_a_refusal_is_text():
    assert Reply().read(say(refusal="I cannot.")) == [Text("I cannot.")]


@pytest.mark.parametrize(
    "chunk",
    [{}, {"choices": []}, {"choices": None}, completion(), completion({"content": ""}), completion({"content": None})],
)
def test_a_chunk_that_says_nothing_is_no_delta(chunk):
    reply = Reply()
    assert reply.read(event(chunk)) == []
    assert not reply.begun


def test_only_the_first_of_several_choices_is_read():
    second = {"index": 1, "delta": {"content": "other"}, "finish_reason": "stop"}
    reply = Reply()
    assert reply.read(event({"choices": [second]})) == []
    assert reply.reason is None


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("content_filter", "content-filter"),
        ("tool_calls", "tool-calls"),
        ("function_call", "tool-calls"),
        ("eos", "other"),
        ("", None),
        (None, None),
    ],
)
def test_a_finish_reason_is_one_of_ours(said, reason):
    reply = Reply()
    reply.read(event(completion({"content": "x"}, said)))
    assert reply.reason == reason
    assert reply.ended == (reason is not None)


def test_text_beside_the_finish_reason_is_read():
    assert Reply().read(event(completion({"content": "end"}, "stop"))) == [Text("end")]


@pytest.mark.parametrize(
    "broken",
    [
        event("{broken"),
        event('["no object"]'),
        event('{"choices": 7}'),
        event('{"choices": [{"delta": {"content": 7}}]}'),
        event(r'{"choices": [{"delta": {"content": "\ud83d"}}]}'),
        say(content="X").replace(b"X", b"\xc3\x28"),
        event({"error": {"message": "overloaded"}}),
        event({"error": "overloaded"}),
        b"event: error\ndata: {}\n\n",
    ],
)
def test_what_cannot_be_read_fails_after_the_text_before_it(broken):
    reply = Reply()
    assert reply.read(say(content="before") + broken) == [Text("before")]
    assert reply.failure.code == "upstream"
    assert reply.ended


def test_an_event_over_the_limit_fails():
    reply = Reply()
    assert reply.read(say(content="before") + b"data: ") == [Text("before")]
    assert reply.read(b"x" * MAX_EVENT_SIZE) == []
    assert reply.failure.code == "upstream"


def test_no_secret_is_in_what_cannot_be_read():
    reply = Reply(secrets=["sk-secret"])
    reply.read(event("Bearer sk-secret"))
    assert "sk-secret" not in str(reply.failure)
