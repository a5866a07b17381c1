"""The calls in a streamed reply are whole, whichever endpoint sends them, and however the network splits them."""

import json

import pytest

from chat.backends.base import Text, ToolCall
from chat.backends.openai.calls import MAX_CALLS
from chat.backends.openai.completions import Reply

# Each as its documentation or its source shows it: the deltas of a reply, and its finish reason.
OPENAI = [
    {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "orders", "arguments": ""}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": '{"sta'}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": 'tus":"open"}'}}]},
    {"tool_calls": [{"index": 2, "id": "call_2", "type": "function", "function": {"name": "parcel", "arguments": ""}}]},
    {"tool_calls": [{"index": 2, "function": {"arguments": '{"number":"7"}'}}]},
]
VLLM = [
    {"role": "assistant", "content": ""},
    {"tool_calls": [{"index": 0, "id": "chatcmpl-tool-1", "type": "function", "function": {"name": "orders"}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": '{"status": '}}]},
    {"tool_calls": [{"index": 0, "function": {"arguments": '"open"}'}}]},
    {"tool_calls": [{"index": 1, "id": "chatcmpl-tool-2", "type": "function", "function": {"name": "parcel"}}]},
    {"tool_calls": [{"index": 1, "function": {"arguments": '{"number": "7"}'}}]},
]
OLLAMA = [
    {
        "content": "",
        "tool_calls": [
            {"function": {"name": "orders", "arguments": {"status": "open"}}},
            {"function": {"name": "parcel", "arguments": {"number": "7"}}},
        ],
    }
]
MISTRAL = [
    {
        "content": "",
        "tool_calls": [
            {"id": "D681PevKs", "function": {"name": "orders", "arguments": '{"status": "open"}'}, "index": 0},
            {"id": "E681PevKs", "function": {"name": "parcel", "arguments": '{"number": "7"}'}, "index": 1},
        ],
    }
]
GEMINI = [
    {
        "tool_calls": [
            {
                "index": 0,
                "id": "",
                "type": "function",
                "function": {"name": "orders", "arguments": '{"status":"open"}'},
                "extra_content": {"google": {"thought_signature": "c2ln"}},
            }
        ]
    },
    {"tool_calls": [{"index": 0, "id": "", "function": {"name": "parcel", "arguments": '{"number":"7"}'}}]},
]
DEEPSEEK = [{"reasoning_content": "I need "}, {"reasoning_content": "both."}, *OPENAI]
REPEATED = [
    {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "orders", "arguments": '{"status":'}}]},
    {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "orders", "arguments": '"open"}'}}]},
    {"tool_calls": [{"index": 0, "id": "b", "function": {"name": "parcel", "arguments": '{"number":"7"}'}}]},
]
CORPUS = {
    "openai": OPENAI,
    "vllm": VLLM,
    "ollama": OLLAMA,
    "mistral": MISTRAL,
    "gemini": GEMINI,
    "deepseek": DEEPSEEK,
    "repeated-name": REPEATED,
}


def stream(deltas, reason="tool_calls"):
    """Return the body of a reply."""
    events = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    return b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in events) + b"data: [DONE]\n\n"


def read(body, cut=0):
    reply = Reply()
    deltas = [*reply.read(body[:cut]), *reply.read(body[cut:]), *reply.end()]
    return reply, deltas


def names_and_arguments(reply):
    return [(call.name, json.loads(call.arguments)) for call in reply.calls.whole]


@pytest.mark.parametrize("endpoint", CORPUS)
def test_the_calls_of_each_endpoint_are_whole_at_every_split(endpoint):
    body = stream(CORPUS[endpoint])
    for cut in range(len(body) + 1):
        reply, _ = read(body, cut)
        assert names_and_arguments(reply) == [("orders", {"status": "open"}), ("parcel", {"number": "7"})], cut
        assert (reply.reason, reply.failure) == ("tool-calls", None)


def test_ids_and_unknown_fields_are_kept():
    assert [call.id for call in read(stream(OPENAI))[0].calls.whole] == ["call_1", "call_2"]
    first, second = read(stream(GEMINI))[0].calls.whole
    assert first == ToolCall(
        "", "orders", '{"status":"open"}', {"extra_content": {"google": {"thought_signature": "c2ln"}}}
    )
    assert second.extra == {}


def test_text_before_the_calls_is_text():
    reply, deltas = read(stream([{"content": "Let me see."}, *OPENAI]))
    assert deltas == [Text("Let me see.")]
    assert len(reply.calls.whole) == 2


def test_the_older_function_call_is_read():
    deltas = [{"function_call": {"name": "orders", "arguments": ""}}, {"function_call": {"arguments": '{"a": 1}'}}]
    reply, _ = read(stream(deltas, "function_call"))
    assert names_and_arguments(reply) == [("orders", {"a": 1})]


def test_a_stop_with_calls_and_no_text_waits_for_them():
    reply, _ = read(stream(OPENAI, "stop"))
    assert reply.reason == "tool-calls"


def test_a_reply_that_was_cut_stays_cut():
    reply, _ = read(stream(OPENAI[:2], "length"))
    assert reply.reason == "length"


@pytest.mark.parametrize(
    "junk", [True, 7, "x", [7], [{}], [{"function": 7}], [{"function": {"name": 7}}], {"index": 0}, [{"id": []}]]
)
def test_junk_is_no_call(junk):
    reply, deltas = read(stream([{"tool_calls": junk}, {"content": "Hi"}], "stop"))
    assert reply.calls.whole == []
    assert deltas == [Text("Hi")]


def test_calls_beyond_all_measure_are_dropped():
    many = [{"index": n, "id": f"c{n}", "function": {"name": "orders", "arguments": "{}"}} for n in range(1_000)]
    assert len(read(stream([{"tool_calls": many}]))[0].calls.whole) == MAX_CALLS
