"""The wire format of the websocket, as pure functions: bytes to frames and chunks to bytes.

The format is that of ``WebSocketChatTransport`` in the npm package ``ai`` (7.0.135 and later); ``docs/protocol.md``
tells it in full, with our additions, all of which stay inside the room that the format leaves.
"""

from .received import (
    BAD_FRAME,
    CONVERSATION_ID,
    NO_SESSION,
    TOO_BIG,
    Abort,
    After,
    Asked,
    BadFrameError,
    Body,
    Earlier,
    Ping,
    Question,
    Rate,
    Read,
    Received,
    Refusal,
    Resume,
    Select,
    Send,
    Source,
    parse,
    question,
    sendable,
)
from .sent import Event, chunk_frame, chunk_prefix, error_frame, event_frame, frame

__all__ = [
    "BAD_FRAME",
    "CONVERSATION_ID",
    "NO_SESSION",
    "TOO_BIG",
    "Abort",
    "After",
    "Asked",
    "BadFrameError",
    "Body",
    "Earlier",
    "Event",
    "Ping",
    "Question",
    "Rate",
    "Read",
    "Received",
    "Refusal",
    "Resume",
    "Select",
    "Send",
    "Source",
    "chunk_frame",
    "chunk_prefix",
    "error_frame",
    "event_frame",
    "frame",
    "parse",
    "question",
    "sendable",
]
