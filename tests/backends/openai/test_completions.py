"""A reply has the same text however the network splits it; unreadable data is a failure after the text before it."""

import json
from itertools import groupby, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.backends.base import Reasoning, Text
from chat.backends.openai.completions import Reply
from chat.backends.openai.sse import MAX_EVENT_SIZE
from chat.errors import ERRORS
from tests.support.behaviours import ANSWER, TEXTS, USAGE, completion, event, events

WHOLE = b"".join(events(*TEXTS))


def say(**delta):
    return event(completion(delta))


def whole(*pieces, **options):
    """Read a whole reply; return its deltas, adjacent ones of a kind merged, and the reply itself."""
    reply = Reply(**options)
    deltas = [delta for piece in pieces for delta in reply.read(piece)] + reply.end()
    return [kind("".join(delta.text for delta in group)) for kind, group in groupby(deltas, type)], reply


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
def test_a_chunk_without_content_is_no_delta(chunk):
    reply = Reply()
    assert reply.read(event(chunk)) == []
    assert not reply.begun


def test_only_the_first_of_several_choices_is_read():
    def choice(index, **more):
        return event({"choices": [{"index": index, **more}]})

    reply = Reply()
    assert reply.read(choice(0, delta={"content": "one"}) + choice(1, delta={"content": "other"})) == [Text("one")]
    assert reply.read(choice(1, delta={}, finish_reason="length") + choice(0, delta={"content": "!"})) == [Text("!")]
    assert reply.reason is None


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("content_filter", "content-filter"),
        ("tool_calls", "tool-calls"),
        ("function_call", "tool-calls"),
        ("eos", "stop"),
        ("", None),
        (None, None),
    ],
)
def test_a_finish_reason_is_mapped_to_one_of_the_apps_own(said, reason):
    reply = Reply()
    reply.read(event(completion({"content": "x"}, said)))
    assert reply.reason == reason
    assert not reply.ended


def test_text_beside_the_finish_reason_is_read():
    assert Reply().read(event(completion({"content": "end"}, "stop"))) == [Text("end")]


@pytest.mark.parametrize(
    "broken",
    [
        event("{broken"),
        event("ping"),
        event("[" * 100_000),
        event({"error": {"message": "overloaded"}}),
        event({"error": "overloaded"}),
        b"event: error\ndata: {}\n\n",
    ],
)
def test_an_unreadable_event_is_a_failure_after_the_text_before_it(broken):
    reply = Reply()
    assert reply.read(say(content="before") + broken) == [Text("before")]
    assert reply.failure.code == "upstream"
    assert reply.ended


@pytest.mark.parametrize(
    "choice", [{"text": "hi"}, {"delta": "hi"}, {"delta": ["h", "i"]}, {"text": "hi", "index": None}]
)
def test_b04_a_text_in_another_place_is_text(choice):
    reply = Reply()
    assert reply.read(event({"choices": [choice]}) + event(completion(finish="stop"))) == [Text("hi")]
    assert reply.reason == "stop"


@pytest.mark.parametrize(("content", "text"), [(5, "5"), (0, "0"), (1.5, "1.5"), (False, "")])
def test_b04_a_number_is_text_and_a_truth_value_is_not(content, text):
    reply = Reply()
    said = reply.read(say(content=content) + say(content="!"))
    assert "".join(delta.text for delta in said) == f"{text}!"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"code": "InvalidParameter", "message": "Bad request"}, "upstream"),
        ({"message": "Slow down", "status": 429}, "rate_limited"),
        ({"detail": "API key not valid"}, "auth"),
        ({"errors": [{"message": "prompt is too long"}]}, "context"),
    ],
)
def test_b07_an_error_is_recognised_by_its_shape_alone(error, code):
    reply = Reply()
    assert reply.read(event(error)) == []
    assert reply.failure.code == code


@pytest.mark.parametrize(
    "odd", [event({"message": "queued"}), event({"code": 0, "message": "ok"}), b"event: ping\ndata: ok\n\n"]
)
def test_b05_an_event_that_reports_no_error_is_skipped(odd):
    reply = Reply()
    assert reply.read(say(content="a") + odd + say(content="b")) == [Text("ab")]
    assert reply.failure is None


def test_an_event_over_the_limit_fails():
    reply = Reply()
    assert reply.read(say(content="before") + b"data: ") == [Text("before")]
    assert reply.read(b"x" * MAX_EVENT_SIZE) == []
    assert reply.failure.code == "upstream"


def test_no_secret_is_in_the_failure_of_an_unreadable_event():
    reply = Reply(secrets=["sk-secret"])
    reply.read(event("Bearer sk-secret"))
    assert "sk-secret" not in str(reply.failure)


# Read tolerantly


def raw(content, field="content"):
    """Make a delta whose text the test has already written as JSON."""
    return event(f'{{"choices": [{{"index": 0, "delta": {{"{field}": "{content}"}}}}]}}')


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        ([r"x\ud83d", r"\ude00y"], "x😀y"),
        ([r"x\ud83d", "y"], "x\ufffdy"),
        (["x", r"\ude00y"], "x\ufffdy"),
        ([r"x\ud83d"], "x\ufffd"),
        ([r"\ud83d\ud83d", r"\ude00"], "\ufffd😀"),
        ([r"\ud83d", r"\ude00\ud83d", r"\ude00"], "😀😀"),
        ([r"\ud83d", "", r"\ude00"], "😀"),
    ],
)
def test_b01_halves_of_a_surrogate_pair_from_two_deltas_are_one_character(pieces, text):
    said, reply = whole(*map(raw, pieces), event(completion(finish="stop")))
    assert (said, reply.failure, reply.reason) == ([Text(text)], None, "stop")


def test_b01_halves_are_joined_for_each_kind_by_itself():
    said, _ = whole(raw(r"\ud83d", "reasoning"), raw(r"a\ud83d"), raw(r"\ude01!", "reasoning"), raw(r"\ude00b"))
    assert said == [Text("a"), Reasoning("😁!"), Text("😀b")]


def test_b01_a_delta_is_passed_on_at_once_except_for_the_half():
    reply = Reply()
    assert reply.read(raw(r"x\ud83d")) == [Text("x")]
    assert reply.read(raw(r"\ude00y")) == [Text("😀y")]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\xed\xa0\xbd\xed\xb8\x80", "😀"),
        (b"\xed\xa0\xbd", "\ufffd"),
        (b"a\xc3(b", "a\ufffd(b"),
        (b"a\xff", "a\ufffd"),
        (b"a\tb", "a\tb"),
    ],
)
def test_b01_bytes_that_are_not_utf8_are_replaced(data, text):
    said, reply = whole(say(content="(X)").replace(b"X", data), say(content="."))
    assert (said, reply.failure) == ([Text(f"({text}).")], None)


def test_b01_a_half_before_a_failure_is_kept():
    said, reply = whole(raw(r"x\ud83d") + event("{broken"))
    assert (said, reply.failure.code) == ([Text("x\ufffd")], "upstream")


def test_b02_text_after_a_finish_reason_is_read():
    early = event(completion({"content": "one"}, "stop"))
    reply = Reply()
    assert reply.read(early) == [Text("one")]
    assert not reply.ended
    assert reply.read(say(content=" two")) == [Text(" two")]
    assert reply.read(event(completion(finish="length"))) == []
    reply.read(event(completion(choices=[], usage=USAGE)) + event("[DONE]"))
    assert (reply.reason, reply.usage, reply.ended) == ("length", USAGE, True)


def test_b02_nothing_after_the_end_of_the_stream_is_read():
    said, reply = whole(event(completion({"content": "one"}, "stop")), event("[DONE]"), say(content="two"))
    assert (said, reply.reason) == ([Text("one")], "stop")


def test_b02_an_unreadable_event_after_a_reason_leaves_the_answer_complete():
    said, reply = whole(event(completion({"content": "one"}, "stop")), event("{broken"))
    assert (said, reply.reason, reply.failure, reply.ended) == ([Text("one")], "stop", None, True)


def test_b02_an_error_after_a_reason_counts():
    said, reply = whole(event(completion({"content": "one"}, "stop")), event({"error": {"code": 502}}))
    assert (said, reply.failure.code) == ([Text("one")], "upstream")


def test_b02_the_last_event_counts_without_its_blank_line_if_it_is_complete():
    ending = event(completion({"content": "end"}, "stop")).strip()
    said, reply = whole(say(content="the "), ending)
    assert (said, reply.reason) == ([Text("the end")], "stop")
    said, reply = whole(say(content="the "), ending[:-1])
    assert (said, reply.reason, reply.failure) == ([Text("the ")], None, None)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        *((word, "error") for word in ("error", "ERROR", "failed", "abort", "network_error", "RECITATION")),
        *((word, "error") for word in ("insufficient_system_resource", "malformed_function_call")),
        *((word, "length") for word in ("MAX_TOKENS", "max_tokens", "LENGTH", "FinishReason.MAX_TOKENS")),
        *((word, "length") for word in ("model_length", "max-output-tokens", "FINISH_REASON_MAX_TOKENS", "Max Tokens")),
        *((word, "content-filter") for word in ("content_filter", "content-filter", "SAFETY", "PROHIBITED_CONTENT")),
        *((word, "stop") for word in ("STOP", "end_turn", "eos", "eos_token", "stop_sequence", "COMPLETE")),
        *((word, "tool-calls") for word in ("tool_calls", "TOOL_USE", "function_call")),
        *((word, None) for word in ("null", "", "FINISH_REASON_UNSPECIFIED", "banana", "other")),
    ],
)
def test_b03_a_finish_reason_is_known_in_every_spelling(word, reason):
    _, reply = whole(event(completion({"content": "x"}, word)))
    assert reply.reason == reason


PIECES = [
    {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}], "closed": True},
    {"type": "text", "text": "Hi"},
    {"type": "reference", "reference_ids": [1]},
]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (PIECES, [Reasoning("Hm."), Text("Hi")]),
        ([{"type": "thinking", "thinking": "Hm."}, "Hi"], [Reasoning("Hm."), Text("Hi")]),
        ([{"type": "output_text", "text": {"value": "Hi", "annotations": []}}], [Text("Hi")]),
        ({"text": "Hi"}, [Text("Hi")]),
        ([{"type": "image_url", "image_url": {"url": "https://x"}}, {"type": "text", "text": 7}, None, 7, [["Hi"]]],
         [Text("Hi")]),
        ([{"type": "refusal", "refusal": "No."}], [Text("No.")]),
        ({"text": {"text": {"text": {"text": {"text": {"text": {"text": {"text": {"text": "deep"}}}}}}}}}, []),
    ],
)  # fmt: skip
def test_b04_content_in_pieces_is_text_and_reasoning(content, said):
    assert whole(say(content=content), say(content="!"))[0] == [*said[:-1], Text((said or [Text("")])[-1].text + "!")]


@pytest.mark.parametrize("data", ["", " ", "null", "[]", "{}", '"ping"', "7", '["no object"]', '{"type": "ping"}'])
def test_b05_an_event_without_content_is_skipped(data):
    said, reply = whole(say(content="a"), event(data), b"event: ping\ndata:\n\n", say(content="b"))
    assert (said, reply.failure, reply.ended) == ([Text("ab")], None, False)


def test_b05_an_event_with_an_endless_number_is_skipped():
    said, reply = whole(b'data: {"type":"ping","count":' + b"9" * 5_000 + b"}\n\n", say(content="a"))
    assert (said, reply.failure) == ([Text("a")], None)


def test_b06_an_event_that_is_nested_too_deeply_is_a_failure_after_the_text_before_it():
    deep = b'data: {"choices":[{"delta":{"tool_calls":' + b"[" * 100_000 + b"]" * 100_000 + b"}}]}\n\n"
    said, reply = whole(say(content="a"), deep)
    assert said == [Text("a")]
    assert reply.failure is not None and reply.failure.code == "upstream"


@pytest.mark.parametrize(
    "choice",
    [
        {"index": None, "delta": {"content": "Hi"}},
        {"index": 1, "delta": {"content": "Hi"}},
        {"index": "0", "delta": {"content": "Hi"}},
        {"delta": {"content": "Hi", "reasoning": {}}},
        {"delta": {"content": "Hi", "reasoning": [], "reasoning_content": False}},
        {"delta": {"content": "Hi"}, "finish_reason": False},
        {"delta": {"content": "Hi"}, "finish_reason": {}, "error": None},
        {"delta": {"content": "Hi", "tool_calls": [], "role": 7}, "logprobs": 7},
        {"delta": {"refusal": "Hi", "content": {}}},
    ],
)
@pytest.mark.parametrize("more", [{}, {"usage": []}, {"usage": "none"}, {"error": {}}, {"error": ""}, {"id": 7}])
def test_b06_odd_values_beside_the_text_are_skipped(choice, more):
    said, reply = whole(event({"choices": [choice], **more}), event({"choices": [{**choice, "finish_reason": "stop"}]}))
    assert (said, reply.reason, reply.failure) == ([Text("HiHi")], "stop", None)


@pytest.mark.parametrize("data", ['{"choices": 7}', '{"choices": [7, null]}', '{"choices": [{"delta": 7}]}'])
def test_b06_choices_of_another_shape_are_skipped(data):
    said, reply = whole(event(data), say(content="Hi"))
    assert (said, reply.failure) == ([Text("Hi")], None)


def test_b07_an_error_beside_a_choice_comes_after_its_text():
    choice = {"index": 0, "delta": {"content": "Hi"}, "finish_reason": "error"}
    said, reply = whole(event({"choices": [{**choice, "error": {"code": 429, "message": "Slow down"}}]}))
    assert (said, reply.failure.code) == ([Text("Hi")], "rate_limited")


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        (["<think>Let me see</think>Paris"], [Reasoning("Let me see"), Text("Paris")]),
        (list("\n <think>\nLet me see</think>\n\nParis"), [Reasoning("Let me see"), Text("Paris")]),
        (["<think>", "\n\n", "</think>", "\n\nParis"], [Text("Paris")]),
        (["<think>never", " closed </thin"], [Reasoning("never closed </thin")]),
        (["<thi", "s is text"], [Text("<this is text")]),
        (["<thi"], [Text("<thi")]),
        (["\n\n"], [Text("\n\n")]),
        (["\n", " Paris <think>x</think>"], [Text("\n Paris <think>x</think>")]),
        (["`<think>` is a tag"], [Text("`<think>` is a tag")]),
        (["<think>a</think>b<think>c</think>"], [Reasoning("a"), Text("b<think>c</think>")]),
        (["<think>a < b, </b></think>b"], [Reasoning("a < b, </b>"), Text("b")]),
        (["[THINK]a[/THINK]b"], [Reasoning("a"), Text("b")]),
        (["<thought>a</thought>b"], [Reasoning("a"), Text("b")]),
        (["a</think>b"], [Text("a</think>b")]),
        ([" " * 2000, "<think>"], [Text(" " * 2000 + "<think>")]),
    ],
)
def test_b11_reasoning_between_tags_at_the_beginning_is_a_part_of_its_own(pieces, said):
    assert whole(*(say(content=piece) for piece in pieces))[0] == said


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        (["Let me see</think>Paris"], [Reasoning("Let me see"), Text("Paris")]),
        (list("Let me see\n</think>\nParis </think>"), [Reasoning("Let me see\n"), Text("Paris </think>")]),
        (["<think>Let me see</think>Paris"], [Reasoning("Let me see"), Text("Paris")]),
        (["<b> never closed"], [Reasoning("<b> never closed")]),
        (["</think>Paris"], [Text("Paris")]),
    ],
)
def test_b11_an_option_says_that_the_opening_tag_is_left_out(pieces, said):
    assert whole(*(say(content=piece) for piece in pieces), inside=True)[0] == said


BODY = {"object": "chat.completion", "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"},
        "finish_reason": "stop"}], "usage": USAGE}  # fmt: skip


@pytest.mark.parametrize("start", ["", "\n\n", "\ufeff"])
def test_b15_one_json_completion_is_read_at_its_end(start):
    body = (start + json.dumps(BODY, indent=1)).encode()
    said, reply = whole(body[:7], body[7:])
    assert (said, reply.reason, reply.usage) == ([Text("Hi")], "stop", USAGE)


def test_b15_a_whole_completion_as_one_event_is_read():
    said, reply = whole(event(BODY), event("[DONE]"))
    assert (said, reply.reason) == ([Text("Hi")], "stop")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"error": {"message": "Slow down", "code": 429}}, "rate_limited"),
        ([{"error": {"message": "API key not valid", "code": 400}}], "auth"),
        ({"detail": "Not Found"}, "upstream"),
        ({}, "upstream"),
    ],
)
def test_b15_json_that_is_no_completion_is_a_failure(body, code):
    said, reply = whole(json.dumps(body).encode())
    assert (said, reply.failure.code) == ([], code)


def test_b15_json_that_is_cut_off_is_a_failure():
    said, reply = whole(json.dumps(BODY).encode()[:-1])
    assert (said, reply.failure.code, reply.failure.retry) == ([], "upstream", False)


@pytest.mark.parametrize("body", [b"<html>It works!</html>", b"Not found", b"<" + b"x" * 10_000, b"dat"])
def test_b14_any_other_body_is_a_failure(body):
    said, reply = whole(body)
    assert (said, reply.failure.code) == ([], "upstream")
    assert str(reply.failure).endswith(body[:500].decode())


CALL = {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]}


@pytest.mark.parametrize(
    ("delta", "word", "reason"),
    [
        (CALL, "tool_calls", "tool-calls"),
        (CALL, "stop", "tool-calls"),
        (CALL, "length", "length"),
        ({"function_call": {"name": "f"}}, "stop", "tool-calls"),
        ({**CALL, "content": "\n\n"}, "stop", "tool-calls"),
        ({**CALL, "content": "I look it up."}, "tool_calls", "tool-calls"),
        ({**CALL, "content": "I looked it up."}, "stop", "stop"),
        ({"tool_calls": [], "content": ""}, "stop", "stop"),
    ],
)
def test_a_reply_of_tool_calls_alone_is_not_taken_for_an_answer(delta, word, reason):
    _, reply = whole(say(**delta), event(completion(finish=word)), event("[DONE]"))
    assert reply.reason == reason


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["\ud83d", "<think>", "stop"]),
    lambda values: (
        st.lists(values, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "choices",
                    "delta",
                    "message",
                    "content",
                    "text",
                    "type",
                    "thinking",
                    "reasoning",
                    "finish_reason",
                    "index",
                    "error",
                    "code",
                    "usage",
                    "tool_calls",
                    "object",
                    "errors",
                    "detail",
                    "metadata",
                ]
            ),
            values,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(st.lists(anything, max_size=4), st.booleans())
def test_b06_json_of_any_shape_does_no_harm(values, stream):
    data = [json.dumps(value).encode() for value in values]
    body = b"".join(b"data: %b\n\n" % value for value in data) if stream else b"\n".join(data)
    said, reply = whole(body)
    assert all(delta.text.encode() for delta in said)
    assert reply.failure is None or reply.failure.code in ERRORS


@given(st.binary(max_size=60), st.booleans())
def test_b14_a_body_of_any_bytes_does_no_harm(data, stream):
    said, reply = whole(b"data: " * stream + data)
    assert said == []
    assert reply.reason is None
