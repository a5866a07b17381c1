"""What the tests of replies begin with: an answer that is there, and requests about it."""

import json

import pytest


@pytest.fixture
def request_of():
    """Send one of our own frames; returns its requestId."""

    async def send(socket, kind, **fields):
        request = f"{kind}-{len(sent)}"
        sent.append(request)
        await socket.raw(json.dumps({"type": kind, "requestId": request, "id": "c1", **fields}))
        return request

    sent = []
    return send


@pytest.fixture
def answered(script, connect):
    """A question with its whole answer; returns the socket and the answer's id."""

    async def answered(text="**Scattering**", visitor="ann", **question):
        socket = await connect(visitor)
        request = await socket.ask("Why?", **question)
        answer = (await socket.chunk(request, "start"))["messageId"]
        reply = await script.anext_reply()
        reply.say(text)
        reply.finish()
        await socket.chunks(request)
        return socket, answer

    return answered
