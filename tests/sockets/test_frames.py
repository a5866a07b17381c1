"""Frames, decoded and encoded by pure functions."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat import chunks
from chat.db.decisions import Decision
from chat.errors import ERRORS, Refusal
from chat.parts import TextDelta
from chat.sockets.received import BadFrameError, Send, content, parse
from chat.sockets.sent import chunk_frame, chunk_prefix, error_frame


def send(**changes):
    frame = {"type": "send", "requestId": "r", "id": "c", "trigger": "submit-message", "messages": []}
    return json.dumps({**frame, "headers": {}, "body": {}, **changes})


def test_a_send_of_the_npm_client_is_parsed():
    frame = parse(send(messageId=None, metadata={"any": "thing"}, body={"view": "html", "their": "own"}))
    assert isinstance(frame, Send)
    assert (frame.request_id, frame.id, frame.body.view) == ("r", "c", "html")


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "7", '"x"', "[]", "{}", '{"type": 1, "requestId": "r"}', '{"type":"abort","requestId":""}'],
)
def test_text_that_is_not_a_frame_is_refused_with_a_reason(text):
    with pytest.raises(BadFrameError, match="Expected"):
        parse(text)


@given(
    st.text() | st.recursive(st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_the_parser_raises_nothing_but_bad_frame_errors(value):
    text = value if isinstance(value, str) else json.dumps(value)
    with pytest.raises(BadFrameError) as refused:
        parse(text)
    assert len(str(refused.value).encode()) <= 123


def test_a_frame_nested_too_deep_is_refused():
    with pytest.raises(BadFrameError):
        parse(send(messages="deep").replace('"deep"', "[" * 100_000 + "]" * 100_000))


def test_a_reason_with_many_bytes_is_cut_between_characters():
    assert len(str(BadFrameError("é" * 100)).encode()) == 122


@pytest.mark.parametrize(
    "parts", [[{"type": "text", "text": "Hi"}], [{"type": "text", "text": "H"}, {"type": "text", "text": "i"}]]
)
def test_the_text_of_a_question_is_all_of_its_text_parts(parts):
    asked = content(parse(send(messages=[{"id": "m", "role": "user", "parts": parts}])), 100)
    assert (asked.id, asked.text.replace("\n", "")) == ("m", "Hi")


@pytest.mark.parametrize(
    "message",
    [
        7,
        {},
        {"id": "m", "role": "user"},
        {"id": "", "role": "user", "parts": []},
        {"id": "a b", "role": "user", "parts": []},
    ],
)
def test_a_value_that_is_not_a_ui_message_is_a_bad_frame(message):
    with pytest.raises(BadFrameError, match="UI message"):
        content(parse(send(messages=[message])), 100)


def test_a_message_of_another_role_is_refused():
    with pytest.raises(Refusal):
        content(parse(send(messages=[{"id": "m", "role": "assistant", "parts": [{"type": "text", "text": "x"}]}])), 100)


def test_a_chunk_frame_is_what_json_would_write():
    frame = json.loads(chunk_frame(chunk_prefix('r"1'), 7, TextDelta("0", 'He said "é"\n')))
    assert frame == {
        "type": "chunk",
        "requestId": 'r"1',
        "sequence": 7,
        "chunk": {"type": "text-delta", "id": "0", "delta": 'He said "é"\n'},
    }


def test_an_error_chunk_has_its_code_on_the_frame_and_a_sentence_inside():
    frame = json.loads(chunk_frame(chunk_prefix("r"), 0, chunks.Error("timeout")))
    assert frame["chunk"] == {"type": "error", "errorText": "The model took too long to answer."}
    assert frame["code"] == "timeout"


@pytest.mark.parametrize("code", ERRORS)
def test_every_code_has_a_sentence(code):
    frame = json.loads(error_frame("r", Refusal(code)))
    assert frame == {"type": "error", "requestId": "r", "errorText": ERRORS[code].sentence, "code": code}


def test_transient_chunks_are_marked_as_transient():
    assert msgspec.to_builtins(chunks.Patch({}))["transient"] is True


HALVES = [r"\ud83d", r"\uDE00", "\ud83d", r"\ud83d\ud83d\ude00"]
PLACES = {
    "text": '{"messages": [{"id": "m", "role": "user", "parts": [{"type": "text", "text": "%"}]}]}',
    "older message": '{"messages": [{"id": "%", "parts": ["%"]}, {"id": "m", "role": "user", "parts": []}]}',
    "message's metadata": '{"messages": [{"id": "m", "role": "user", "parts": [], "metadata": {"%": "%"}}]}',
    "key of body": '{"body": {"%": 1}}',
    "value of body": '{"body": {"theirs": ["%"], "language": "%"}}',
    "headers": '{"headers": {"%": "%"}}',
    "metadata": '{"metadata": {"%": "%"}}',
    "field of another version": '{"%": "%"}',
}


@pytest.mark.parametrize("half", HALVES, ids=ascii)
@pytest.mark.parametrize("place", PLACES)
def test_a02_half_a_character_anywhere_does_not_make_a_bad_frame(place, half):
    frame = json.dumps({**json.loads(send()), **json.loads(PLACES[place])}).replace("%", half)
    assert isinstance(parse(frame), Send)


@pytest.mark.parametrize("text", [r"\ud83dx\u0000", "\ud83dx\\u0000"])
def test_a02_the_text_of_a_question_has_a_replacement_where_it_had_half_a_character(text):
    message = {"id": "m", "role": "user", "parts": [{"type": "text", "text": "?"}]}
    assert content(parse(send(messages=[message]).replace("?", text)), 100).text == "\ufffdx\ufffd"


def test_a02_the_id_of_a_call_has_a_replacement_where_it_had_what_databases_cannot_hold():
    part = {"type": "tool-x", "toolCallId": "?", "state": "approval-responded", "approval": {"approved": True}}
    message = {"id": "a", "role": "assistant", "parts": [part]}
    found = content(parse(send(messages=[message], messageId="a").replace("?", r"\ud83d\u0000")), 100)
    assert found == [Decision("\ufffd\ufffd", True)]


def test_a02_bytes_that_are_not_utf_8_do_not_make_a_bad_frame_either():
    message = {"id": "m", "role": "user", "parts": [{"type": "text", "text": "?"}]}
    asked = content(parse(send(messages=[message]).encode().replace(b"?", b"x\xff\xed\xa0\xbdy")), 100)
    assert asked.text.strip("\ufffd") == "x\ufffd\ufffd\ufffd\ufffdy"


@pytest.mark.parametrize("field", ["id", "trigger"])
def test_a02_half_a_character_in_an_id_is_still_a_bad_frame(field):
    with pytest.raises(BadFrameError, match="Expected"):
        parse(send(**{field: "?"}).replace("?", r"\ud83d"))


@pytest.mark.parametrize("end", [r'\ud8zz"}', r'\ud83d"', r"\ud83d", r'\ud83d"}}'])
def test_a02_text_that_is_not_json_even_without_its_half_characters_is_a_bad_frame(end):
    with pytest.raises(BadFrameError, match="Expected"):
        parse('{"type": "ping", "requestId": "' + end)
