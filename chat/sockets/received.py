"""The frames that a client sends: those of the AI SDK, and those that the bundled page adds."""

from typing import Annotated, Literal
from urllib.parse import parse_qs

import msgspec

from ..db.decisions import Decision
from ..errors import Refusal
from ..html.language import spoken
from ..models import REASON_LENGTH
from ..text import CONVERSATION_ID, acceptable, storable, storable_json

BAD_FRAME = 4400
NO_SESSION = 4401
NO_PERMISSION = 4403
OUTDATED = 4409
RENEWED = 4410
TOO_MUCH = 4429
TOO_BIG = 1009

MAX_BUTTON = 16_384
"""Length limit of the value of a button, in characters."""

RESERVED_REQUEST = "conversation"
"""The server sends events under this ``requestId``; a client may not use it."""

_MAX_REASON = 123  # bytes for the reason in a close frame (RFC 6455, section 5.5)

ConversationId = Annotated[str, msgspec.Meta(pattern=rf"^{CONVERSATION_ID}\Z")]
MessageId = Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,64}\Z")]
RequestId = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]
Format = Literal["text", "html"]


class BadFrameError(ValueError):
    """A frame that does not match the protocol. The message says what was expected, and fits into a close frame."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason.encode()[:_MAX_REASON].decode(errors="ignore"))


class After(msgspec.Struct, frozen=True, rename="camel"):
    """The last message that a page shows, and the status that it shows there."""

    message: MessageId | None = None
    status: str = ""


class Body(msgspec.Struct, frozen=True, rename="camel"):
    """The keys of a frame's ``body``, its extension point, that the server reads. Other keys are ignored."""

    view: Format = "text"
    attempt: MessageId | None = None
    after: After | None = None
    message_id: str | None = None
    run: int | None = None
    """The number of the run whose stream the client has, with ``lastSequence``."""
    continue_: bool = msgspec.field(name="continue", default=False)
    assistant: ConversationId = "default"
    """The name of the assistant with whom a new conversation begins."""
    about: Annotated[str, msgspec.Meta(max_length=1_024)] = ""
    """The page's reference to the object that a new conversation is about."""
    language: Annotated[str, msgspec.Meta(max_length=32)] = ""
    """The language of the page, for the ``html`` format. If it is empty, the site's own is used."""


class Frame(msgspec.Struct, frozen=True, tag_field="type", rename="camel"):
    """A frame that a client sends."""

    request_id: RequestId


class Followed(Frame, frozen=True, kw_only=True):
    """A frame about one conversation that is answered with an answer's stream, in either format."""

    id: ConversationId
    headers: msgspec.Raw = msgspec.Raw()
    body: Body = Body()

    @property
    def page_language(self) -> str:
        """Return the language of the page; ``""`` in the ``text`` format, whose sentences are not translated."""
        return spoken(self.body.language) if self.body.view == "html" else ""


class Send(Followed, tag="send", frozen=True, kw_only=True):
    """Ask, edit (``message_id`` and new text) or regenerate. Only the last of ``messages`` is decoded."""

    trigger: Literal["submit-message", "regenerate-message"]
    messages: list[msgspec.Raw]
    message_id: MessageId | None = None


class Decide(Followed, tag="decide", frozen=True, kw_only=True):
    """Allow or deny a call that an answer waits for. An addition to the AI SDK's frames."""

    call_id: MessageId
    approved: bool
    reason: Annotated[str, msgspec.Meta(max_length=REASON_LENGTH)] = ""


class Press(Followed, tag="press", frozen=True, kw_only=True):
    """Press a button of a tool's template. An addition to the AI SDK's frames."""

    value: Annotated[str, msgspec.Meta(max_length=MAX_BUTTON)]


class Resume(Followed, tag="resume", frozen=True, kw_only=True):
    """Follow the answer that is running, or that ended a moment ago."""

    last_sequence: Annotated[int, msgspec.Meta(ge=0)] | None = None


class Ping(Frame, tag="ping", frozen=True):
    """Check the connection, after a while without frames. An addition of the bundled page."""


class Abort(Frame, tag="abort", frozen=True):
    """Stop the answer that the request ``request_id`` follows."""


class Request(Frame, frozen=True, kw_only=True):
    """A request about one conversation that starts no answer. An addition of the bundled page."""

    id: ConversationId
    body: Body = Body()

    @property
    def page_language(self) -> str:
        """Return the language of the page."""
        return spoken(self.body.language)


class Earlier(Request, tag="earlier", frozen=True, kw_only=True):
    """Get the messages before the message ``message_id``."""

    message_id: MessageId


class Select(Request, tag="select", frozen=True, kw_only=True):
    """Show the branch that the message ``message_id`` is on."""

    message_id: MessageId


class Source(Request, tag="source", frozen=True, kw_only=True):
    """Get the Markdown of the message ``message_id``."""

    message_id: MessageId


class Rate(Request, tag="rate", frozen=True, kw_only=True):
    """Rate the answer ``message_id`` as good (1) or bad (-1), or remove the rating (0); ``comment`` is the reason."""

    message_id: MessageId
    value: Literal[1, 0, -1]
    comment: str | None = None


class Read(Request, tag="read", frozen=True, kw_only=True):
    """Mark the conversation as read."""


class Question(msgspec.Struct, frozen=True):
    """The visitor's message: its id, made by the client, and its plain text."""

    id: MessageId
    text: str


class _Approval(msgspec.Struct, frozen=True):
    id: str = ""
    approved: bool | None = None
    reason: str | None = None


class _Part(msgspec.Struct, frozen=True, rename="camel"):
    type: str
    text: str = ""
    tool_call_id: str = ""
    state: str = ""
    approval: _Approval | None = None


class _Message(msgspec.Struct, frozen=True):
    id: MessageId
    role: str
    parts: list[_Part]


Asked = Send | Decide | Press | Resume | Earlier | Select | Source | Rate | Read
"""The frames that are requests, each with a handler; ``Abort`` and ``Ping`` are handled by the consumer."""

Received = Asked | Abort | Ping

_frames: msgspec.json.Decoder[Received] = msgspec.json.Decoder(Received)
_messages = msgspec.json.Decoder(_Message)


def version_in(query: bytes) -> str:
    """Return the version of the page that opens a socket, from the handshake's query; ``""`` for other clients."""
    return _last(query, "v")


def owner_in(query: bytes) -> str:
    """Return the digest of the owner whose page opens a socket, from its query; ``""`` for other clients."""
    return _last(query, "owner")


def conversation_in(query: bytes) -> str:
    """Return the ``uid`` of the conversation of a page that opens a socket, from its query; ``""`` for others."""
    return storable(_last(query, "conversation"))[:64]


def _last(query: bytes, name: str) -> str:
    return parse_qs(query.decode("latin-1")).get(name, [""])[-1]


def parse(text: str | bytes) -> Received:
    """Decode one frame. Raises ``BadFrameError``."""
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    try:
        try:
            frame = _frames.decode(text)
        except msgspec.ValidationError:
            raise
        except (msgspec.DecodeError, UnicodeError):
            # A character that cannot be stored is replaced, wherever it is: it does not make a bad frame.
            frame = _frames.decode(storable_json(text))
    except msgspec.ValidationError as error:
        raise BadFrameError(f"Expected a frame of a known type: {error}") from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise BadFrameError("Expected one JSON object as a text frame.") from None
    if frame.request_id == RESERVED_REQUEST:
        raise BadFrameError(f'The requestId "{RESERVED_REQUEST}" is reserved.')
    return frame


def content(send: Send, max_length: int) -> Question | list[Decision] | None:
    """Return the visitor's message in a frame, or decisions about calls; ``None`` if the frame asks to regenerate.

    ``useChat`` sends decisions in the answer that waits for them, as the last message.

    Args:
        send: the frame.
        max_length: the longest text that is accepted, in characters.

    Raises:
        BadFrameError: the last of its messages is not a UI message.
        Refusal: the message is empty, too long, or not plain text of the visitor; or it is an answer that the frame
            does not name, or one without decisions.
    """
    if send.trigger == "regenerate-message":
        return None
    if not send.messages:
        raise Refusal("empty")
    try:
        message = _messages.decode(send.messages[-1])
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadFrameError(f"Expected a UI message last in messages: {error}") from None
    if message.role == "assistant":
        return _decisions(send, message)
    if message.role != "user" or any(part.type != "text" for part in message.parts):
        raise Refusal("unsupported")
    return Question(message.id, acceptable("\n\n".join(part.text for part in message.parts), max_length))


def _decisions(send: Send, message: _Message) -> list[Decision]:
    """Return the decisions in an answer. Only the ids of calls, the verdicts and their reasons are read."""
    if send.message_id != message.id:
        raise Refusal("conflict")
    found = []
    for part in message.parts:
        if part.state == "approval-responded" and part.approval is not None and part.approval.approved is not None:
            reason = (part.approval.reason or "")[:REASON_LENGTH]
            found.append(Decision(storable(part.tool_call_id), part.approval.approved, reason))
    if not found:
        raise Refusal("unsupported")
    return found
