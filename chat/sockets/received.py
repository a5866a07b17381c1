"""What a client sends: frames of the AI SDK's, and ours beside them."""

from typing import Annotated, Literal
from urllib.parse import parse_qs

import msgspec

from ..errors import Refusal
from ..text import CONVERSATION_ID, acceptable, storable_json

BAD_FRAME = 4400
NO_SESSION = 4401
OUTDATED = 4409
TOO_MUCH = 4429
TOO_BIG = 1009

RESERVED_REQUEST = "conversation"
"""Frames under this ``requestId`` are events of the server's own; a client may not use it."""

_MAX_REASON = 123  # bytes that a close frame has for its reason (RFC 6455, section 5.5)

ConversationId = Annotated[str, msgspec.Meta(pattern=rf"^{CONVERSATION_ID}\Z")]
MessageId = Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,64}\Z")]
RequestId = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
View = Literal["text", "html"]


class BadFrameError(ValueError):
    """A frame that is none of the format's. The message names what was expected, and fits a close frame."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason.encode()[:_MAX_REASON].decode(errors="ignore"))


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
    language: Annotated[str, msgspec.Meta(max_length=32)] = ""
    """The language of the page that shows what comes, in the html view; else the site's own."""


class Frame(msgspec.Struct, frozen=True, tag_field="type", rename="camel"):
    """What a client sends."""

    request_id: RequestId


class Send(Frame, tag="send", frozen=True):
    """Ask, edit (``message_id`` and new text) or regenerate. Of ``messages`` only the last is ever decoded."""

    id: ConversationId
    trigger: Literal["submit-message", "regenerate-message"]
    messages: list[msgspec.Raw]
    headers: msgspec.Raw = msgspec.Raw()
    body: Body = Body()
    message_id: MessageId | None = None


class Resume(Frame, tag="resume", frozen=True):
    """Follow the answer that runs, or that ended a moment ago."""

    id: ConversationId
    headers: msgspec.Raw = msgspec.Raw()
    body: Body = Body()
    last_sequence: Annotated[int, msgspec.Meta(ge=0)] | None = None


class Ping(Frame, tag="ping", frozen=True):
    """Ours: a page that has heard nothing for a while asks whether anybody is there."""


class Abort(Frame, tag="abort", frozen=True):
    """Stop the answer that the request ``request_id`` follows."""


class Request(Frame, frozen=True, kw_only=True):
    """Ours: what a page asks of one conversation beside its answers."""

    id: ConversationId
    body: Body = Body()


class Earlier(Request, tag="earlier", frozen=True, kw_only=True):
    """The messages before the message ``message_id``."""

    message_id: MessageId


class Select(Request, tag="select", frozen=True, kw_only=True):
    """Show the branch that the message ``message_id`` is on."""

    message_id: MessageId


class Source(Request, tag="source", frozen=True, kw_only=True):
    """The Markdown of the message ``message_id``."""

    message_id: MessageId


class Rate(Request, tag="rate", frozen=True, kw_only=True):
    """What the reader thinks of the answer ``message_id``: good, bad, or nothing any more; ``comment`` says why."""

    message_id: MessageId
    value: Literal[1, 0, -1]
    comment: str | None = None


class Read(Request, tag="read", frozen=True, kw_only=True):
    """The reader has seen the conversation's last answer."""


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


Asked = Send | Resume | Earlier | Select | Source | Rate | Read
"""What has a reply of its own."""

Received = Asked | Abort | Ping

_frames: msgspec.json.Decoder[Received] = msgspec.json.Decoder(Received)
_messages = msgspec.json.Decoder(_Message)


def version_in(query: bytes) -> str:
    """Return the version of the page that opens a socket, from the handshake's query; other clients say none."""
    return parse_qs(query.decode("latin-1")).get("v", [""])[-1]


def parse(text: str | bytes) -> Received:
    """Decode one frame of a client's. Raises ``BadFrameError``."""
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    try:
        try:
            frame = _frames.decode(text)
        except msgspec.ValidationError:
            raise
        except (msgspec.DecodeError, UnicodeError):
            # A character that cannot be stored makes no bad frame: it is replaced, wherever it is.
            frame = _frames.decode(storable_json(text))
    except msgspec.ValidationError as error:
        raise BadFrameError(f"Expected a frame of a known type: {error}") from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise BadFrameError("Expected one JSON object as a text frame.") from None
    if frame.request_id == RESERVED_REQUEST:
        raise BadFrameError(f'The requestId "{RESERVED_REQUEST}" is reserved.')
    return frame


def question(send: Send, max_length: int) -> Question | None:
    """Return the visitor's message in a frame, ``None`` in a ``regenerate-message``.

    Raises ``BadFrameError`` or ``Refusal``.
    """
    if send.trigger == "regenerate-message":
        return None
    if not send.messages:
        raise Refusal("empty")
    try:
        message = _messages.decode(send.messages[-1])
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadFrameError(f"Expected a UI message last in messages: {error}") from None
    if message.role != "user" or any(part.type != "text" for part in message.parts):
        raise Refusal("unsupported")
    return Question(message.id, acceptable("\n\n".join(part.text for part in message.parts), max_length))
