"""The frames that the server sends: answers to requests, and events."""

from datetime import UTC
from typing import Literal

import msgspec

from ..chunks import Chunk, Error
from ..errors import Refusal, sentence
from ..events import Event
from .received import RESERVED_REQUEST

_encoder = msgspec.json.Encoder()
_last: tuple[Chunk | None, str] = (None, "")
"""The chunk that was encoded last."""


def frame(kind: Literal["start", "end", "no-active", "pong"], request_id: str) -> str:
    """Encode a frame that has only a type and a request."""
    return _encoder.encode({"type": kind, "requestId": request_id}).decode()


def event_frame(event: Event) -> str:
    """Encode an event for the sockets of a conversation's owner."""
    return _encoder.encode({"type": "event", "requestId": RESERVED_REQUEST, **msgspec.to_builtins(event)}).decode()


def reload_frame() -> str:
    """Encode the event that makes a page of another version of the server reload itself."""
    return _encoder.encode({"type": "event", "requestId": RESERVED_REQUEST, "event": "reload"}).decode()


def signed_in_frame(owner: str, conversation: str) -> str:
    """Encode the event that tells a page from before its visitor has signed in whose it is now, and where to go on."""
    event = {"event": "signed-in", "owner": owner, "conversation": conversation}
    return _encoder.encode({"type": "event", "requestId": RESERVED_REQUEST, **event}).decode()


def error_frame(request_id: str, refusal: Refusal, language: str = "") -> str:
    """Encode the refusal of a request: its code, and its sentence in a language, or untranslated if that is empty.

    If the time is known from which the request can be sent again, the frame has it.
    """
    error = {"type": "error", "requestId": request_id, "errorText": refusal.sentence(language), "code": refusal.code}
    if refusal.retry_at is not None:
        error["retryAt"] = refusal.retry_at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return _encoder.encode(error).decode()


def chunk_prefix(request_id: str) -> str:
    """Encode the part that all ``chunk`` frames of a request have in common."""
    return f'{{"type":"chunk","requestId":{_encoder.encode(request_id).decode()},"sequence":'


def chunk_frame(prefix: str, sequence: int, chunk: Chunk, language: str = "") -> str:
    """Encode a chunk and its number. ``chunk_prefix`` makes ``prefix``; ``language`` is for the text of an error."""
    if type(chunk) is Error:
        text = _encoder.encode({"type": "error", "errorText": sentence(chunk.code, language)}).decode()
        return f'{prefix}{sequence},"chunk":{text},"code":"{chunk.code}"}}'
    return f'{prefix}{sequence},"chunk":{_encoded(chunk)}}}'


def _encoded(chunk: Chunk) -> str:
    """Encode a chunk, once for all readers that receive it one after the other."""
    global _last
    last = _last
    if last[0] is not chunk:
        _last = last = (chunk, _encoder.encode(chunk).decode())
    return last[1]
