"""Each recorded stream gives the same reply at every split of its bytes, and over a real connection."""

import asyncio
from itertools import groupby

import pytest

from chat.backends.base import BackendError, Finished, Reasoning, Text
from chat.backends.openai.backend import OpenAIBackend
from chat.backends.openai.completions import Reply
from chat.testing import ask
from tests.backends.openai.streams import STREAMS
from tests.support.upstream import Upstream

streams = pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)


def merged(deltas):
    said = [delta for delta in deltas if isinstance(delta, Text | Reasoning)]
    return [kind("".join(delta.text for delta in group)) for kind, group in groupby(said, type)]


def reply_of(stream, pieces):
    """Read the whole stream, and return its deltas and the reply."""
    reply, deltas = Reply(**stream.options), []
    for piece in pieces:
        deltas += reply.read(piece)
    return [*deltas, *reply.end()], reply


def assert_as_recorded(stream, pieces):
    deltas, reply = reply_of(stream, pieces)
    assert merged(deltas) == stream.said
    assert all(delta.text for delta in deltas)
    assert reply.reason == stream.reason
    assert (reply.failure.code if reply.failure else None) == stream.code
    assert (reply.usage or {}).get("completion_tokens") == stream.usage


@streams
def test_a_recorded_stream_has_the_expected_parts_and_ending(stream):
    assert_as_recorded(stream, [stream.data])


@streams
def test_a_recorded_stream_is_the_same_at_every_split(stream):
    for place in range(1, len(stream.data)):
        assert_as_recorded(stream, [stream.data[:place], stream.data[place:]])


@streams
def test_a_recorded_stream_is_the_same_byte_for_byte(stream):
    assert_as_recorded(stream, [stream.data[place : place + 1] for place in range(len(stream.data))])


@streams
async def test_a_recorded_stream_is_the_same_over_a_connection(stream):
    async with Upstream() as upstream:
        backend = OpenAIBackend(model="gated", base_url=upstream.url, starts_in_reasoning=bool(stream.options))
        reading = asyncio.create_task(outcome(backend))
        call = await upstream.next_call()
        call.release(stream.data)
        call.break_off()
        deltas, code = await reading
        await backend.close()
    assert (merged(deltas), code) == (stream.said, stream.code)
    if code is None:
        assert [delta.reason for delta in deltas if isinstance(delta, Finished)] == [stream.reason]


async def outcome(backend):
    """Read a reply, and return its deltas and the code of the failure after them."""
    deltas = []
    try:
        async for delta in backend.stream(ask()):
            deltas.append(delta)
    except BackendError as error:
        return deltas, error.code
    return deltas, None
