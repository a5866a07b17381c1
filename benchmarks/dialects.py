"""What a client says to each kind of server, and how it knows that an answer has ended."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

QUESTION = "Why is the sky blue?"


def _chat_frame(view: str) -> Callable[[str], dict[str, Any]]:
    def frame(conversation: str) -> dict[str, Any]:
        user = {"id": f"m-{conversation}", "role": "user", "parts": [{"type": "text", "text": QUESTION}]}
        asked = {"type": "send", "requestId": "r", "id": conversation, "trigger": "submit-message", "messages": [user]}
        return {**asked, "headers": {}, "body": {"view": view}}

    return frame


def _plain_frame(conversation: str) -> dict[str, Any]:
    return {"text": QUESTION}


def _ui_messages(conversation: str) -> dict[str, Any]:
    return {"messages": [{"id": "m", "role": "user", "parts": [{"type": "text", "text": QUESTION}]}]}


def _posted(conversation: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": QUESTION}]}


@dataclass(frozen=True)
class Dialect:
    """One wire format: where it is spoken, the question as JSON, and the bytes that are only in the last message."""

    path: str
    question: Callable[[str], dict[str, Any]]
    end: bytes
    websocket: bool = True

    def opening(self, port: int, conversation: str, cookie: str = "") -> bytes:
        """Return the bytes to send on a new connection: a handshake, or the whole request."""
        lines = [
            f"host: 127.0.0.1:{port}",
            f"origin: http://127.0.0.1:{port}",
            *([f"cookie: {cookie}"] if cookie else []),
        ]
        if self.websocket:
            lines += ["upgrade: websocket", "connection: Upgrade", "sec-websocket-version: 13"]
            lines += ["sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ=="]
            return "\r\n".join([f"GET {self.path} HTTP/1.1", *lines, "", ""]).encode()
        body = json.dumps(self.question(conversation))
        lines += ["content-type: application/json", f"content-length: {len(body)}", "connection: close"]
        return "\r\n".join([f"POST {self.path} HTTP/1.1", *lines, "", body]).encode()


TEXT = Dialect("/ws/chat/", _chat_frame("text"), b'"type":"end"')
HTML = Dialect("/ws/chat/", _chat_frame("html"), b'"type":"end"')
PLAIN = Dialect("/ws/", _plain_frame, b'"type": "end"')
SSE = Dialect("/chat", _posted, b"data: [DONE]", websocket=False)
UI_SSE = Dialect("/chat", _ui_messages, b"data: [DONE]", websocket=False)


def masked(payload: bytes, opcode: int = 1) -> bytes:
    """Return a client's websocket frame."""
    if len(payload) < 126:
        head = bytes([0x80 | opcode, 0x80 | len(payload)])
    else:
        head = bytes([0x80 | opcode, 0x80 | 126]) + len(payload).to_bytes(2, "big")
    key = os.urandom(4)
    size = len(payload)
    pad = (key * (size // 4 + 1))[:size]
    return head + key + (int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")).to_bytes(size, "big")


CLOSE = masked((1000).to_bytes(2, "big"), opcode=8)
