"""Events are the same however the bytes are split."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.backends.openai.sse import Decoder, Event, EventSizeError


def decode(*pieces: bytes) -> list[Event]:
    decoder = Decoder()
    return [event for piece in pieces for event in decoder.feed(piece)]


def data(*pieces: bytes) -> list[bytes]:
    return [event.data for event in decode(*pieces)]


def test_an_event_is_complete_at_its_blank_line():
    decoder = Decoder()
    assert decoder.feed(b"data: one\n") == []
    assert decoder.feed(b"\n") == [Event(b"one", b"")]


def test_a_read_may_hold_many_events_and_the_beginning_of_one():
    assert data(b"data: 1\n\ndata: 2\n\ndata: 3", b"\n\n") == [b"1", b"2", b"3"]


def test_an_event_that_is_cut_off_at_the_end_is_dropped():
    assert data(b"data: 1\n\ndata: 2\n") == [b"1"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_each_kind_of_line_end_is_understood(end):
    assert data(b"data: 1" + end + end + b"data: 2" + end + end) == [b"1", b"2"]


def test_a_carriage_return_ends_its_line_before_the_next_byte_is_known():
    decoder = Decoder()
    assert decoder.feed(b"data: 1\r\r") == [Event(b"1", b"")]
    assert decoder.feed(b"") == []
    assert decoder.feed(b"\ndata: 2\r\n\r") == [Event(b"2", b"")]
    assert decoder.feed(b"\n") == []


def test_one_space_after_the_colon_is_not_part_of_the_value():
    assert data(b"data:1\n\n", b"data:  2\n\n") == [b"1", b" 2"]


def test_lines_of_one_event_are_joined():
    assert data(b"data: 1\ndata: 2\n\n") == [b"1\n2"]


def test_a_line_without_a_colon_is_a_field_without_a_value():
    assert data(b"data\n\n") == [b""]


def test_the_name_belongs_to_its_event_alone():
    assert decode(b"event: error\ndata: 1\n\ndata: 2\n\n") == [Event(b"1", b"error"), Event(b"2", b"")]


def test_comments_unknown_fields_and_events_without_data_are_ignored():
    assert data(b": ping\n\nid: 7\nretry: 5\nevent: x\n\ndataset: 0\ndata: 1\n\n") == [b"1"]


def test_a_byte_order_mark_at_the_beginning_is_skipped():
    assert data(b"\xef\xbb", b"\xbfdata: 1\n\n") == [b"1"]


@pytest.mark.parametrize("stream", [b"data: 0123456789", b": 0123456789ab", b"data: 0123\ndata: 4567\n"])
def test_an_event_or_a_line_over_the_limit_is_refused(stream):
    decoder = Decoder(max_size=12)
    with pytest.raises(EventSizeError, match="the limit is 12"):
        for byte in stream:
            decoder.feed(bytes([byte]))


def test_events_up_to_the_limit_follow_each_other():
    decoder = Decoder(max_size=12)
    assert len(decoder.feed(b"data: 012345\n\n" * 3)) == 3


lines = st.sampled_from([b"data: a", b"data:b", b"data: \xe2\x82\xac", b"event: x", b": c", b"", b"", b"data"])
ends = st.sampled_from([b"\n", b"\r\n", b"\r"])


@given(st.lists(st.tuples(lines, ends)), st.data())
def test_the_pieces_make_no_difference(stream, draw):
    whole = b"".join(line + end for line, end in stream)
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(whole)))))
    pieces = [whole[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert decode(*pieces) == decode(whole)


@given(st.lists(st.tuples(lines, ends)))
def test_the_kind_of_line_end_makes_no_difference(stream):
    kinds = {tuple(data(b"".join(line + end for line, _ in stream))) for end in (b"\n", b"\r\n", b"\r")}
    assert len(kinds) == 1


def test_an_error_field_is_an_event_of_that_name():
    assert decode(b'error: {"code": 500}\n\ndata: 1\n\n') == [Event(b'{"code": 500}', b"error"), Event(b"1", b"")]


@pytest.mark.parametrize("rest", [b"data: 1", b"data: 1\n", b"data: 1\r", b"event: x\ndata: 1"])
def test_an_event_without_its_blank_line_is_returned_at_the_end(rest):
    decoder = Decoder()
    assert decoder.feed(rest) == []
    assert [event.data for event in decoder.end()] == [b"1"]
    assert decoder.end() == []
