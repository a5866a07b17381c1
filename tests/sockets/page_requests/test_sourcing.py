"""The Markdown of a message."""

import pytest

from chat.models import Conversation, Message
from chat.streams.base import StreamKey


async def source(socket, request_of, message):
    request = await request_of(socket, "source", messageId=message)
    frames = await socket.rest(request)
    assert [frame["type"] for frame in frames] == ["start", "chunk", "end"]
    chunk = frames[1]["chunk"]
    assert (chunk["type"], chunk["transient"], chunk["data"]["message"]) == ("data-source", True, message)
    return chunk["data"]["text"]


async def test_an_answer_is_sent_as_its_markdown(answered, request_of):
    socket, answer = await answered("**Scattering**\n\n- of light")
    assert await source(socket, request_of, answer) == "**Scattering**\n\n- of light"
    assert await source(socket, request_of, "m1") == "Why?"


async def test_a_running_answer_is_sent_as_far_as_it_has_come(script, connect, request_of, settings):
    settings.CHAT = {**settings.CHAT, "HEARTBEAT": 60.0}
    socket = await connect()
    request = await socket.ask("Why?")
    answer = (await socket.chunk(request, "start"))["messageId"]
    reply = await script.anext_reply()
    assert await source(socket, request_of, answer) == ""
    reply.think("Hm.")
    reply.say("Because")
    await socket.chunk(request, "text-delta")
    assert await source(socket, request_of, answer) == "Because"
    assert (await Message.objects.aget(uid=answer)).text == ""


@pytest.mark.parametrize("there", [False, True])
async def test_a_running_answer_whose_stream_cannot_be_read_is_sent_as_it_is_stored(
    there, answered, request_of, served, settings
):
    settings.CHAT = {**settings.CHAT, "REDIS_TIMEOUT": 0.05}
    socket, _ = await answered()
    conversation = await Conversation.objects.aget()
    fields = {"uid": "far", "role": "assistant", "status": "running", "text": "so far"}
    message = await Message.objects.acreate(conversation=conversation, **fields)
    if there:
        served.streams.open(StreamKey(message.pk))  # of which nothing comes
    assert await source(socket, request_of, "far") == "so far"


async def test_the_messages_of_other_owners_are_not_found(answered, connect, request_of):
    socket, answer = await answered()
    stranger = await connect("bob")
    assert await stranger.error(await request_of(stranger, "source", messageId=answer)) == "not_found"
    assert await socket.error(await request_of(socket, "source", messageId="other")) == "not_found"
