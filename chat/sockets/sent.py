"""The frames that the server sends: answers to requests, and events."""

from datetime import UTC, datetime
from typing import Literal

import msgspec

from ..chunks import Chunk, Error
from ..errors import sentence
from ..events import Event
from .received import RESERVED_REQUEST

_encoder = msgspec.json.Encoder()


def frame(kind: Literal["start", "end", "no-active", "pong"], request_id: str) -> str:
    """Encode a frame that has only a type and a request."""
    return _encoder.encode({"type": kind, "requestId": request_id}).decode()


def event_frame(event: Event) -> str:
    """Encode an event for the sockets of a conversation's owner."""
    return _encoder.encode({"type": "event", "requestId": RESERVED_REQUEST, **msgspec.to_builtins(event)}).decode()


def reload_frame() -> str:
    """Encode the event that makes a page of another version of the server reload itself."""
    return _encoder.encode({"type": "event", "requestId": RESERVED_REQUEST, "event": "reload"}).decode()


def error_frame(request_id: str, code: str, language: str = "", retry_at: datetime | None = None) -> str:
    """Encode the refusal of a request: its code, and the sentence in a language, or untranslated if that is empty.

    ``retry_at`` is the time from which it can be sent again, if that is known.
    """
    error = {"type": "error", "requestId": request_id, "errorText": sentence(code, language), "code": code}
    if retry_at is not None:
        error["retryAt"] = retry_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return _encoder.encode(error).decode()


def chunk_prefix(request_id: str) -> str:
    """Encode the part that all ``chunk`` frames of a request have in common."""
    return f'{{"type":"chunk","requestId":{_encoder.encode(request_id).decode()},"sequence":'


def chunk_frame(prefix: str, sequence: int, chunk: Chunk, language: str = "") -> str:
    """Encode a chunk and its number. ``chunk_prefix`` makes ``prefix``; ``language`` is for the text of an error."""
    if type(chunk) is Error:
        text = _encoder.encode({"type": "error", "errorText": sentence(chunk.code, language)}).decode()
        return f'{prefix}{sequence},"chunk":{text},"code":"{chunk.code}"}}'
    return f'{prefix}{sequence},"chunk":{_encoder.encode(chunk).decode()}}}'
