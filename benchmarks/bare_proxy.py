"""The baseline for the chat: an ASGI app that only passes deltas on. It stores nothing and resumes nothing.

It reads raw asyncio HTTP and sends one websocket frame per upstream delta, on the same server as the chat.
``UPSTREAM_PORT=1234 uvicorn benchmarks.bare_proxy:app``
"""

import asyncio
import json
import os

PORT = int(os.environ.get("UPSTREAM_PORT", "0"))


async def app(scope, receive, send):
    """Serve one websocket, on which each message is a question."""
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        frame = json.loads(event["text"])
        await answer(frame["requestId"], frame["messages"], send)


async def answer(request, messages, send):
    """Ask the model, and pass each delta on."""
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    body = json.dumps({"model": "bench", "stream": True, "messages": messages}).encode()
    writer.write(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: upstream\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    )
    sequence = 0
    while line := await reader.readline():
        if not line.startswith(b"data: {"):
            if line.startswith(b"data: [DONE]"):
                break
            continue
        text = json.loads(line[6:])["choices"][0]["delta"].get("content")
        if text:
            chunk = {"type": "text-delta", "id": "0", "delta": text}
            frame = {"type": "chunk", "requestId": request, "sequence": sequence, "chunk": chunk}
            await send({"type": "websocket.send", "text": json.dumps(frame)})
            sequence += 1
    await send({"type": "websocket.send", "text": json.dumps({"type": "end", "requestId": request})})
    writer.close()
