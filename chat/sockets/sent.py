"""What the server sends: the replies to requests, and events beside them."""

from typing import Literal

import msgspec

from ..chunks import Chunk, Error
from ..errors import sentence
from ..events import Event
from .received import RESERVED_REQUEST

_encoder = msgspec.json.Encoder()


def frame(kind: Literal["start", "end", "no-active", "pong"], request_id: str) -> str:
    """A frame of the server's that carries nothing but its type."""
    return _encoder.encode({"type": kind, "requestId": request_id}).decode()


def event_frame(event: Event) -> str:
    """News of a conversation, for every socket of its owner."""
    return _encoder.encode({"type": "event", "requestId": RESERVED_REQUEST, **msgspec.to_builtins(event)}).decode()


def reload_frame() -> str:
    """Tell a page that was made by another version of this server to load itself again."""
    return _encoder.encode({"type": "event", "requestId": RESERVED_REQUEST, "event": "reload"}).decode()


def error_frame(request_id: str, code: str, language: str = "") -> str:
    """The refusal of a request: a code and its sentence, fixed or in a language."""
    text = sentence(code, language)
    return _encoder.encode({"type": "error", "requestId": request_id, "errorText": text, "code": code}).decode()


def chunk_prefix(request_id: str) -> str:
    """The part of a request's ``chunk`` frames that is the same in all of them."""
    return f'{{"type":"chunk","requestId":{_encoder.encode(request_id).decode()},"sequence":'


def chunk_frame(prefix: str, sequence: int, chunk: Chunk, language: str = "") -> str:
    """One chunk under its number; ``prefix`` comes from ``chunk_prefix``, ``language`` is that of an error."""
    if type(chunk) is Error:
        text = _encoder.encode({"type": "error", "errorText": sentence(chunk.code, language)}).decode()
        return f'{prefix}{sequence},"chunk":{text},"code":"{chunk.code}"}}'
    return f'{prefix}{sequence},"chunk":{_encoder.encode(chunk).decode()}}}'
