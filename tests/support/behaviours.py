"""What the scripted upstream can do, by the name of the model, and the calls that the behaviours answer."""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

TEXTS = ["Hello", ", ", "wörld", " — 你好 ", "🙂."]
ANSWER = "".join(TEXTS)
"""The reply of a model without other instructions."""

AS_ASKED = "as-asked"
"""The model of this name takes its behaviour from the first word of the question: ``paced:40:200 Why?``."""

USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}


def completion(delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """Return one chunk of a reply."""
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}


def event(value: Any) -> bytes:
    """Return one server-sent event."""
    data = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"data: {data}\n\n".encode()


def words(count: int) -> list[str]:
    """Return the deltas of a long, predictable answer: paragraphs of twenty words, not all of them ASCII."""
    return [f"{n} wörd🙂{chr(10) * 2 if n % 20 == 19 else ' '}" for n in range(count)]


def events(*texts: str, finish: str = "stop") -> list[bytes]:
    """Return the events of a whole reply."""
    said = [event(completion({"content": text})) for text in texts]
    ending = [completion(finish=finish), completion(choices=[], usage=USAGE), "[DONE]"]
    return [event(completion({"role": "assistant", "content": ""})), *said, *map(event, ending)]


class Call:
    """One request to the upstream, and its connection."""

    def __init__(self, head: str, body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        self.head = head
        self.body = body
        self.question = str(next((m["content"] for m in reversed(body["messages"]) if _names_a_behaviour(m)), ""))
        model = str(body["model"])
        self.behaviour, _, self.argument = (
            (self.question if model == AS_ASKED else model).partition(" ")[0].partition(":")
        )
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self.at = self._loop.time()
        self._steps: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.idle = False
        """Whether a ``gated`` reply has sent all that was released."""

    @property
    def closed(self) -> bool:
        """Return whether its connection is closed, by either side."""
        return self._writer.is_closing()

    def say(self, text: str) -> None:
        """Release a delta of a ``gated`` reply."""
        self.release(event(completion({"content": text})))

    def think(self, text: str) -> None:
        """Release a delta of reasoning."""
        self.release(event(completion({"reasoning_content": text})))

    def call(self, *calls: tuple[str, dict[str, Any]]) -> None:
        """Release calls of tools, each with its arguments."""
        named = [
            {"index": number, "id": f"call_{number}", "function": {"name": name, "arguments": json.dumps(arguments)}}
            for number, (name, arguments) in enumerate(calls)
        ]
        self.release(event(completion({"tool_calls": named})))

    def finish(self, reason: str = "stop") -> None:
        """End a ``gated`` reply like a model does."""
        self.release(b"".join(events(finish=reason)[1:]))
        self.break_off()

    def break_off(self) -> None:
        """End a ``gated`` reply cleanly after what was sent, without a finish reason."""
        self._loop.call_soon_threadsafe(self._steps.put_nowait, None)

    def release(self, data: bytes) -> None:
        """Release raw bytes of a ``gated`` reply."""
        self.idle = False
        self._loop.call_soon_threadsafe(self._steps.put_nowait, data)

    async def released(self) -> AsyncIterator[bytes]:
        """Yield what the test releases."""
        while (step := await self._next_step()) is not None:
            yield step
        self.idle = True

    async def _next_step(self) -> bytes | None:
        self.idle = self._steps.empty()
        return await self._steps.get()

    async def answer(self, status: str, body: bytes, *headers: str, kind: str = "application/json") -> None:
        """Send a whole response that is not a stream."""
        lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers]
        await self.send_raw("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    async def begin(self, kind: str = "text/event-stream; charset=utf-8") -> None:
        """Send the headers of a stream; an empty ``kind`` leaves out the content type."""
        kinds = [f"Content-Type: {kind}"] if kind else []
        lines = ["HTTP/1.1 200 OK", *kinds, "Transfer-Encoding: chunked", "", ""]
        await self.send_raw("\r\n".join(lines).encode())

    async def send(self, *pieces: bytes) -> None:
        """Send pieces of a stream, each as one HTTP chunk."""
        for piece in pieces:
            await self.send_raw(b"%x\r\n%b\r\n" % (len(piece), piece))

    async def end(self) -> None:
        """End a stream cleanly, and keep the connection open."""
        await self.send_raw(b"0\r\n\r\n")

    async def send_raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(data)
        await self._writer.drain()

    def close(self) -> None:
        """Close the connection; sent data still arrives."""
        self._writer.close()

    def reset(self) -> None:
        """Reset the connection; even sent data may be lost."""
        linger = struct.pack("ii", 1, 0)
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._writer.transport.abort()


def _names_a_behaviour(message: dict[str, Any]) -> bool:
    """Return whether a message names a behaviour; when an answer is continued, that is not the last message."""
    return str(message["content"]).partition(" ")[0].partition(":")[0] in BEHAVIOURS


Behaviour = Callable[[Call], Awaitable[None]]
BEHAVIOURS: dict[str, Behaviour] = {}
"""Behaviours by model name."""


def behaviour(function: Behaviour) -> Behaviour:
    """Register a function as the behaviour of the model with its name, with hyphens for underscores."""
    BEHAVIOURS[function.__name__.strip("_").replace("_", "-")] = function
    return function


@behaviour
async def ok(call: Call) -> None:
    """Send a good answer, with each delta in a separate read as far as the network allows."""
    await call.begin()
    await call.send(*events(*TEXTS))
    await call.end()


@behaviour
async def echo(call: Call) -> None:
    """Repeat the question, word by word."""
    words = str(call.body["messages"][-1]["content"]).split(" ")
    await call.begin()
    await call.send(*events(*(word + " " for word in words)))
    await call.end()


@behaviour
async def gated(call: Call) -> None:
    """Send what the test releases."""
    await call.begin()
    async for piece in call.released():
        await call.send(piece)
    await call.end()


@behaviour
async def silent(call: Call) -> None:
    """Accept the request and never answer."""
    await forever()


@behaviour
async def headers(call: Call) -> None:
    """Send the headers and nothing else."""
    await call.begin()
    await forever()


@behaviour
async def stall(call: Call) -> None:
    """Send some text, then nothing."""
    await call.begin()
    await call.send(*events(*TEXTS)[:3])
    await forever()


@behaviour
async def comments(call: Call) -> None:
    """Send some text, then endless comments, a hundred per second."""
    await call.begin()
    await call.send(*events(*TEXTS)[:3])
    while True:
        await call.send(b": ping\n\n")
        await asyncio.sleep(0.01)


@behaviour
async def break_off(call: Call) -> None:
    """Close the connection after n deltas, in the middle of the response, for ``break-off:n``."""
    await call.begin()
    await call.send(*events(*TEXTS)[: int(call.argument or 2) + 1])
    call.close()


@behaviour
async def reset(call: Call) -> None:
    """Reset the connection before any answer."""
    call.reset()


@behaviour
async def unfinished(call: Call) -> None:
    """End cleanly, but without a finish reason."""
    await call.begin()
    await call.send(*events(*TEXTS)[:-3])
    await call.end()


@behaviour
async def finish(call: Call) -> None:
    """End with the given reason, for ``finish:reason``."""
    await call.begin()
    await call.send(*events(*TEXTS, finish=call.argument))
    await call.end()


@behaviour
async def no_usage(call: Call) -> None:
    """Send a finish reason, then neither usage nor end."""
    await call.begin()
    await call.send(*events(*TEXTS)[:-2])
    await forever()


@behaviour
async def reset_after_finish(call: Call) -> None:
    """Send a finish reason, and disconnect before the usage."""
    await call.begin()
    await call.send(*events(*TEXTS)[:-2])
    call.close()


@behaviour
async def reasoning(call: Call) -> None:
    """Think in the given field of the delta, then answer, for ``reasoning:field``."""
    await call.begin()
    await call.send(event(completion({call.argument or "reasoning_content": "Hm."})), *events(*TEXTS))
    await call.end()


@behaviour
async def status(call: Call) -> None:
    """Answer ``status:429:3`` with that status, ``Retry-After: 3``, and the received API key in the body."""
    code, _, after = call.argument.partition(":")
    key = call.head.lower().partition("authorization: bearer ")[2].partition("\r\n")[0]
    error = {"error": {"message": f"No, {key}!", "type": "error", "code": None}}
    await call.answer(f"{code} Scripted", json.dumps(error).encode(), *([f"Retry-After: {after}"] if after else []))


def _told(call: Call) -> dict[str, Any]:
    """Return an error that repeats the received key and the address of the endpoint."""
    head = call.head.lower()
    key = head.partition("authorization: bearer ")[2].partition("\r\n")[0]
    address = head.partition("host: ")[2].partition("\r\n")[0]
    return {"error": {"message": f"{key} at http://{address}/v1", "type": key, "code": key, "param": key}}


@behaviour
async def leak(call: Call) -> None:
    """Send some text, then an error that repeats the key."""
    await call.begin()
    await call.send(*events(*TEXTS)[:2], event(_told(call)))
    await call.end()


@behaviour
async def leak_first(call: Call) -> None:
    """Send only an error that repeats the key, with status 200."""
    await call.begin()
    await call.send(event(_told(call)))
    await call.end()


@behaviour
async def leak_header(call: Call) -> None:
    """Refuse with the key in the headers and, spread over lines, in a body of HTML."""
    told = _told(call)["error"]["message"]
    body = f"<html><title>{told}</title>\n{told}</html>".encode()
    await call.answer("403 Scripted", body, f"WWW-Authenticate: {told}", f"Location: {told}", kind="text/html")


@behaviour
async def error_code(call: Call) -> None:
    """Answer ``error-code:400:context_length_exceeded`` with that status and code."""
    code, _, kind = call.argument.partition(":")
    error = {"error": {"message": "It is so.", "type": "invalid_request_error", "code": kind}}
    await call.answer(f"{code} Scripted", json.dumps(error).encode())


@behaviour
async def stalled_error(call: Call) -> None:
    """Answer with an error status whose body never ends."""
    await call.send_raw(b"HTTP/1.1 500 Scripted\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\nWait")
    await forever()


@behaviour
async def context(call: Call) -> None:
    """Accept n characters of messages for ``context:n``, a token each, and refuse more like llama.cpp does."""
    length, limit = sum(len(message["content"]) for message in call.body["messages"]), int(call.argument)
    if length <= limit:
        return await echo(call)
    error = {"code": 400, "message": "too long", "type": "exceed_context_size_error"}
    error |= {"n_prompt_tokens": length, "n_ctx": limit}
    await call.answer("400 Bad Request", json.dumps({"error": error}).encode())


@behaviour
async def redirect(call: Call) -> None:
    """Redirect the client to this same endpoint, so that a client that follows is noticed."""
    await call.answer("307 Temporary Redirect", b"", "Location: /v1/chat/completions")


@behaviour
async def html(call: Call) -> None:
    """Answer with an HTML page and status 200."""
    await call.answer("200 OK", b"<html>It works!</html>", kind="text/html")


@behaviour
async def garbage(call: Call) -> None:
    """Send some text, then an event that is not JSON."""
    await call.begin()
    await call.send(*events(*TEXTS)[:2], event("{broken"))
    await forever()


@behaviour
async def bad_utf8(call: Call) -> None:
    """Send a good answer that contains bytes which are not UTF-8."""
    await call.begin()
    broken = event(completion({"content": "X"})).replace(b"X", b"\xc3\x28")
    await call.send(*events(TEXTS[0])[:2], broken, *events(*TEXTS[1:])[1:])
    await call.end()


@behaviour
async def error_event(call: Call) -> None:
    """Send some text and an error in one read, and keep the connection open."""
    await call.begin()
    await call.send(b"".join([*events(*TEXTS)[:2], event({"error": {"message": "overloaded"}})]))
    await forever()


@behaviour
async def error_first(call: Call) -> None:
    """Send the code in the first event for ``error-first:429``, with status 200."""
    await call.begin()
    await call.send(event({"error": {"code": int(call.argument)}}))
    await call.end()


@behaviour
async def error_body(call: Call) -> None:
    """Send the code in a JSON body for ``error-body:429``, with status 200."""
    error = {"error": {"code": call.argument, "message": "It is so."}}
    await call.answer("200 OK", json.dumps(error).encode())


@behaviour
async def late(call: Call) -> None:
    """Send the reason of ``late:reason`` with the first text, and more text after it."""
    await call.begin()
    await call.send(event(completion({"content": TEXTS[0]}, call.argument)))
    await call.send(*events(*TEXTS[1:], finish=call.argument)[1:])
    await call.end()


@behaviour
async def pings(call: Call) -> None:
    """Send n signs of life for ``pings:kind:n``, twenty per second, before a good answer."""
    kind, _, count = call.argument.partition(":")
    hidden = completion({"content": "", "reasoning_details": [{"type": "reasoning.encrypted", "data": "gAA"}]})
    sign = {"comment": b": ping\n\n", "event": event(hidden), "empty": b"data: \n\n"}[kind]
    await call.begin()
    for _ in range(int(count)):
        await call.send(sign)
        await asyncio.sleep(0.05)
    await call.send(*events(*TEXTS))
    await call.end()


@behaviour
async def typed(call: Call) -> None:
    """Send a good answer with the content type of ``typed:text/plain``; for ``typed`` without one."""
    await call.begin(call.argument)
    await call.send(*events(*TEXTS))
    await call.end()


@behaviour
async def whole(call: Call) -> None:
    """Send one JSON completion in spite of ``stream``; ``whole:kind`` sets its content type."""
    choice = {"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}
    body = {"object": "chat.completion", "choices": [choice], "usage": USAGE}
    await call.answer("200 OK", json.dumps(body).encode(), kind=call.argument or "application/json")


@behaviour
async def long_header(call: Call) -> None:
    """Send a good answer with a header of n characters, for ``long-header:n``."""
    value = "x" * int(call.argument)
    head = (
        f"HTTP/1.1 200 OK\r\nX-Long: {value}\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    await call.send_raw(head.encode())
    await call.send(*events(*TEXTS))
    await call.end()


@behaviour
async def bad_header(call: Call) -> None:
    """Send invalid headers."""
    await call.send_raw(b"HTTP/1.1 200 OK\r\nContent Type text/event-stream\r\n\r\n")
    call.close()


@behaviour
async def cut_header(call: Call) -> None:
    """Disconnect in the middle of the headers."""
    await call.send_raw(b"HTTP/1.1 200 OK\r\nContent-Type: text/ev")
    call.close()


@behaviour
async def cut_error(call: Call) -> None:
    """Disconnect in the body of an error status, for ``cut-error:503``."""
    await call.send_raw(f"HTTP/1.1 {call.argument} Scripted\r\nContent-Length: 100\r\n\r\nWait".encode())
    call.close()


@behaviour
async def thinking(call: Call) -> None:
    """Think between tags at the beginning of the text, then answer."""
    await call.begin()
    await call.send(*events("<thi", "nk>Let me", " see</think>", "\n\n", *TEXTS))
    await call.end()


@behaviour
async def tool_calls(call: Call) -> None:
    """Call a tool and say nothing; ``tool-calls:reason`` sets the finish reason."""
    calls = [{"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    await call.begin()
    await call.send(event(completion({"tool_calls": calls})), *events(finish=call.argument or "tool_calls")[1:])
    await call.end()


@behaviour
async def empty(call: Call) -> None:
    """Send only chunks without choices."""
    await call.begin()
    await call.send(*[event(completion(choices=[]))] * 3)
    await call.end()


@behaviour
async def line_ends(call: Call) -> None:
    """Send a good answer with other line ends, for ``line-ends:cr`` and ``line-ends:crlf``."""
    end = {"cr": b"\r", "crlf": b"\r\n"}[call.argument]
    await call.begin()
    await call.send(*(piece.replace(b"\n", end) for piece in events(*TEXTS)))
    await call.end()


@behaviour
async def no_space(call: Call) -> None:
    """Send a good answer without the space after ``data:``."""
    await call.begin()
    await call.send(*(piece.replace(b"data: ", b"data:", 1) for piece in events(*TEXTS)))
    await call.end()


@behaviour
async def one_byte(call: Call) -> None:
    """Send a good answer, one byte at a time."""
    await call.begin()
    for byte in b"".join(events(*TEXTS)):
        await call.send(bytes([byte]))
        await asyncio.sleep(0)
    await call.end()


@behaviour
async def endless_line(call: Call) -> None:
    """Send one event that never ends."""
    await call.begin()
    await call.send(b"data: ")
    while True:
        await call.send(b"x" * 65536)


@behaviour
async def flood(call: Call) -> None:
    """Send n deltas as fast as they are read, in pieces of a hundred, for ``flood:n``."""
    delta = event(completion({"content": "word "}))
    await call.begin()
    for _ in range(int(call.argument) // 100):
        await call.send(delta * 100)
    await call.send(*events())
    await call.end()


@behaviour
async def paced(call: Call) -> None:
    """Send ``words(n)`` at the given rate per second, for ``paced:n:rate``."""
    count, _, rate = call.argument.partition(":")
    begun = asyncio.get_running_loop().time()
    await call.begin()
    for number, word in enumerate(words(int(count))):
        await asyncio.sleep(begun + number / float(rate) - asyncio.get_running_loop().time())
        await call.send(event(completion({"content": word})))
    await call.send(*events()[1:])
    await call.end()


@behaviour
async def table(call: Call) -> None:
    """Send n characters of table rows for ``table:n:row``, in 50 deltas, 20 ms apart; ``_`` is a space."""
    length, _, row = call.argument.partition(":")
    line = row.replace("_", " ") + "\n"
    text = (line + "|-" * (row.count("|") - 1) + "|\n" + line * (int(length) // len(line)))[: int(length)]
    await call.begin()
    step = len(text) // 50 + 1
    for begin in range(0, len(text), step):
        await call.send(event(completion({"content": text[begin : begin + step]})))
        await asyncio.sleep(0.02)
    await call.send(*events()[1:])
    await call.end()


@behaviour
async def addresses(call: Call) -> None:
    """Send n e-mail addresses on one line, in 20 deltas, for ``addresses:n``."""
    await call.begin()
    await call.send(*[event(completion({"content": "a@b.c " * (int(call.argument) // 20)})) for _ in range(20)])
    await call.send(*events()[1:])
    await call.end()


@behaviour
async def huge(call: Call) -> None:
    """Send n characters in one delta, for ``huge:n``."""
    await call.begin()
    await call.send(*events("x" * int(call.argument)))
    await call.end()


@behaviour
async def endless(call: Call) -> None:
    """Send an endless answer, as fast as it is read."""
    piece = event(completion({"content": "word "})) * 100
    await call.begin()
    while True:
        await call.send(piece)


@behaviour
async def cut_at(call: Call) -> None:
    """Reset the connection after n bytes of the body, for ``cut-at:n``, once they have had time to arrive."""
    await call.begin()
    await call.send_raw(b"".join(framed(events(*TEXTS)))[: int(call.argument)])
    await asyncio.sleep(0.05)
    call.reset()


def framed(pieces: list[bytes]) -> list[bytes]:
    """Return pieces of a stream as HTTP chunks, including the last chunk of the body."""
    return [b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""]]


async def forever() -> None:
    """Do nothing until the client disconnects."""
    await asyncio.Event().wait()
