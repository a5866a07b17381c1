"""Fixtures of the tests of page requests: an answer, and requests about it."""

import json

import pytest


@pytest.fixture
def request_of():
    """Send a page request, and return its requestId."""

    async def send(socket, kind, **fields):
        request = f"{kind}-{len(sent)}"
        sent.append(request)
        await socket.raw(json.dumps({"type": kind, "requestId": request, "id": "c1", **fields}))
        return request

    sent = []
    return send


@pytest.fixture
def answered(script, connect):
    """Ask a question, let it be answered, and return the socket and the answer's id."""

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
