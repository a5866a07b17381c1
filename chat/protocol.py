"""The wire format of the websocket, as pure functions: bytes to frames and chunks to bytes.

The format is that of ``WebSocketChatTransport`` in the npm package ``ai`` (7.0.135 and later); ``docs/protocol.md``
tells it in full, with our additions, all of which stay inside the room that the format leaves.
"""

from typing import Annotated, Literal

import msgspec

from .chunks import ERRORS, Chunk, Error

BAD_FRAME = 4400
NO_SESSION = 4401
TOO_BIG = 1009

RESERVED_REQUEST = "conversation"
"""Frames under this ``requestId`` are events of the server's own; a client may not use it."""

_MAX_REASON = 123  # bytes that a close frame has for its reason (RFC 6455, section 5.5)

CONVERSATION_ID = "[A-Za-z0-9_-]{1,64}"
ConversationId = Annotated[str, msgspec.Meta(pattern=rf"^{CONVERSATION_ID}\Z")]
MessageId = Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,64}\Z")]
RequestId = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
View = Literal["text", "html"]


class BadFrameError(ValueError):
    """A frame that is none of the format's. The message names what was expected, and fits a close frame."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason.encode()[:_MAX_REASON].decode(errors="ignore"))


class Refusal(Exception):  # noqa: N818 (an answer of ours, not a fault)
    """A well-formed request that is refused with a code of ``chat.chunks.ERRORS``; nothing was stored."""

    def __init__(self, code: str) -> None:
        super().__init__(ERRORS[code])
        self.code = code


class After(msgspec.Struct, frozen=True, rename="camel"):
    """What a page already shows: its last message and that message's status."""

    message: MessageId | None = None
    status: str = ""


class Body(msgspec.Struct, frozen=True, rename="camel"):
    """The frame's extension point, as far as it is ours; other keys belong to the client and are skipped."""

    view: View = "text"
    attempt: MessageId | None = None
    after: After | None = None
    message_id: str | None = None
    continue_: bool = msgspec.field(name="continue", default=False)


class Frame(msgspec.Struct, frozen=True, tag_field="type", rename="camel"):
    """What a client sends."""

    request_id: RequestId


class Send(Frame, tag="send", frozen=True):
    """Ask, edit (``message_id`` and new text) or regenerate. Of ``messages`` only the last is ever decoded."""

    id: ConversationId
    trigger: Literal["submit-message", "regenerate-message"]
    messages: list[msgspec.Raw]
    headers: dict[str, str] = {}
    body: Body = Body()
    message_id: MessageId | None = None


class Resume(Frame, tag="resume", frozen=True):
    """Follow the answer that runs, or that ended a moment ago."""

    id: ConversationId
    headers: dict[str, str] = {}
    body: Body = Body()
    last_sequence: Annotated[int, msgspec.Meta(ge=0)] | None = None


class Ping(Frame, tag="ping", frozen=True):
    """Ours: a page that has heard nothing for a while asks whether anybody is there."""


class Abort(Frame, tag="abort", frozen=True):
    """Stop the answer that the request ``request_id`` follows."""


class Event(msgspec.Struct, frozen=True):
    """What happened in a conversation: ``event`` to its message ``message``; later events have a higher ``version``."""

    event: Literal["run-started", "run-ended", "deleted"]
    id: str
    message: str
    version: int


class Question(msgspec.Struct, frozen=True):
    """The visitor's message: an id of the client's and plain text."""

    id: MessageId
    text: str


class _Part(msgspec.Struct, frozen=True):
    type: str
    text: str = ""


class _Message(msgspec.Struct, frozen=True):
    id: MessageId
    role: str
    parts: list[_Part]


Received = Send | Resume | Abort | Ping

_frames: msgspec.json.Decoder[Received] = msgspec.json.Decoder(Received)
_messages = msgspec.json.Decoder(_Message)
_encoder = msgspec.json.Encoder()


def parse(text: str | bytes) -> Received:
    """One frame of a client's. Raises ``BadFrameError``."""
    try:
        frame = _frames.decode(text)
    except msgspec.ValidationError as error:
        raise BadFrameError(f"Expected a send, resume, abort or ping frame: {error}") from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise BadFrameError("Expected one JSON object as a text frame.") from None
    if frame.request_id == RESERVED_REQUEST:
        raise BadFrameError(f'The requestId "{RESERVED_REQUEST}" is reserved.')
    return frame


def question(send: Send, max_length: int) -> Question:
    """The visitor's message in a frame. Raises ``BadFrameError`` or ``Refusal``."""
    if not send.messages:
        raise Refusal("empty")
    try:
        message = _messages.decode(send.messages[-1])
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadFrameError(f"Expected a UI message last in messages: {error}") from None
    if message.role != "user" or any(part.type != "text" for part in message.parts):
        raise Refusal("unsupported")
    text = "\n\n".join(part.text for part in message.parts).replace("\0", "\ufffd")
    if not text.strip():
        raise Refusal("empty")
    if len(text) > max_length:
        raise Refusal("too_long")
    return Question(message.id, text)


def frame(kind: Literal["start", "end", "no-active", "pong"], request_id: str) -> str:
    """A frame of the server's that carries nothing but its type."""
    return _encoder.encode({"type": kind, "requestId": request_id}).decode()


def event_frame(event: Event) -> str:
    """News of a conversation, for every socket of its owner."""
    return _encoder.encode({"type": "event", "requestId": RESERVED_REQUEST, **msgspec.to_builtins(event)}).decode()


def error_frame(request_id: str, code: str) -> str:
    """The refusal of a request: a code and its fixed sentence."""
    return _encoder.encode({"type": "error", "requestId": request_id, "errorText": ERRORS[code], "code": code}).decode()


def chunk_prefix(request_id: str) -> str:
    """The part of a request's ``chunk`` frames that is the same in all of them."""
    return f'{{"type":"chunk","requestId":{_encoder.encode(request_id).decode()},"sequence":'


def chunk_frame(prefix: str, sequence: int, chunk: Chunk) -> str:
    """One chunk under its number; ``prefix`` comes from ``chunk_prefix``."""
    if type(chunk) is Error:
        text = _encoder.encode({"type": "error", "errorText": ERRORS[chunk.code]}).decode()
        return f'{prefix}{sequence},"chunk":{text},"code":"{chunk.code}"}}'
    return f'{prefix}{sequence},"chunk":{_encoder.encode(chunk).decode()}}}'
