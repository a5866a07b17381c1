"""The values of a stream, as frozen types: chunks of the AI SDK's UI message stream, and the app's own.

Source of the format: the npm package ``ai`` 7.0.173, ``src/ui-message-stream/ui-message-chunks.ts``;
``docs/protocol.md`` describes it in full. A chunk is encoded with its ``type`` and camel-case keys. The chunks of each
kind of part are in ``parts.py``.
"""

from typing import Any, Generic, Literal, TypeVar

import msgspec

FinishReason = Literal["stop", "length", "content-filter", "tool-calls", "error", "other"]


class Chunk(msgspec.Struct, frozen=True, tag_field="type", rename="camel", omit_defaults=True, gc=False):
    """One entry of a stream."""


class Start(Chunk, tag="start", frozen=True):
    """The beginning of an answer, which also acknowledges the message of the client that asked."""

    message_id: str


class StartStep(Chunk, tag="start-step", frozen=True):
    """The beginning of a call of the model."""


class FinishStep(Chunk, tag="finish-step", frozen=True):
    """The end of a call of the model."""


class Timing(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """When a part began, as a Unix time, or how many seconds it took; ``None`` if that is not measured or not known."""

    started: float | None = None
    seconds: float | None = None


class Metadata(msgspec.Struct, frozen=True, gc=False):
    """What the app adds to a chunk of the AI SDK's, under its own name, as providers do."""

    llm_chat: Timing


class PartStart(Chunk, frozen=True):
    """The beginning of a part. ``id`` is the index of the part among the answer's parts, as a string."""

    id: str
    provider_metadata: Metadata | None = None

    @property
    def started(self) -> float | None:
        """Return when the part began."""
        return self.provider_metadata.llm_chat.started if self.provider_metadata else None


class PartDelta(Chunk, frozen=True):
    """Text to append to the part ``id``."""

    id: str
    delta: str


class PartEnd(Chunk, frozen=True):
    """The end of the part ``id``."""

    id: str
    provider_metadata: Metadata | None = None

    @property
    def seconds(self) -> float | None:
        """Return how long the part took."""
        return self.provider_metadata.llm_chat.seconds if self.provider_metadata else None


class ToolInput(Chunk, tag="tool-input-available", frozen=True):
    """A call of a tool that begins, with its arguments as plain data. It is a part of its own."""

    tool_call_id: str
    tool_name: str
    input: Any


class ToolOutput(Chunk, tag="tool-output-available", frozen=True):
    """The result of a call, as plain data; if it is ``preliminary``, its progress, as ``{"progress": text}``."""

    tool_call_id: str
    output: Any
    preliminary: bool = False


class ToolOutputError(Chunk, tag="tool-output-error", frozen=True):
    """Why a call failed, or that its effect is not known."""

    tool_call_id: str
    error_text: str


class ToolApproval(Chunk, tag="tool-approval-request", frozen=True):
    """A call that waits for the visitor's decision. Both ids are the call's."""

    approval_id: str
    tool_call_id: str


class ToolDenied(Chunk, tag="tool-output-denied", frozen=True):
    """A call that the visitor did not allow, or not in time."""

    tool_call_id: str


class Excerpt(msgspec.Struct, frozen=True, gc=False):
    """What a source says, as far as its tool quotes it."""

    excerpt: str


class SourceMetadata(msgspec.Struct, frozen=True, gc=False):
    """What the app adds to the chunk of a source."""

    llm_chat: Excerpt


class SourceUrl(Chunk, tag="source-url", frozen=True):
    """A source that a tool has found. ``source_id`` is its number in the answer, as a string."""

    source_id: str
    url: str
    title: str
    provider_metadata: SourceMetadata | None = None


class Data(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The payload of a transient chunk. A field that is ``UNSET``, or has its default, is left out on the wire."""


DataT = TypeVar("DataT", bound=Data)


class Transient(Chunk, Generic[DataT], frozen=True, omit_defaults=False):
    """Data that a client shows but does not make part of the message."""

    data: DataT
    transient: bool = True


class StatusData(Data, frozen=True):
    """The reason why an answer is waiting.

    ``loading``: the model is being loaded; ``waiting``: there is no delta yet; ``saving``: the database does not
    answer; ``reconnecting`` (in the html format): the stream cannot be read at the moment.
    """

    status: str


class Status(Transient[StatusData], tag="data-status", frozen=True):
    """The answer is waiting."""


LOADING = Status(StatusData("loading"))
WAITING = Status(StatusData("waiting"))
SAVING = Status(StatusData("saving"))
RECONNECTING = Status(StatusData("reconnecting"))


class QuestionData(Data, frozen=True):
    """What the visitor is asked about a call, and until when, as a Unix time; ``None``: without end."""

    call: str
    question: str
    expires: float | None = None
    expired: bool = False
    """Whether nobody has answered in time."""


class ToolQuestion(Transient[QuestionData], tag="data-question", frozen=True):
    """The question of a ``ToolApproval``, which has no field for it."""


class RunData(Data, frozen=True):
    """The number of a run of an answer, from 1."""

    run: int


class NextRun(Transient[RunData], tag="data-run", frozen=True):
    """A decision lets the answer go on: what came before is in the client's message already, what follows is new."""


class Finish(Chunk, tag="finish", frozen=True):
    """The answer is complete (``stop``, ``content-filter``), cut (``length``), or waits (``tool-calls``)."""

    finish_reason: FinishReason


class Abort(Chunk, tag="abort", frozen=True):
    """The answer was stopped by the visitor."""


class Error(Chunk, tag="error", frozen=True):
    """The answer failed or was interrupted.

    ``code`` is a key of ``errors.ERRORS``; on the wire it is a field of the frame, not of the chunk.
    """

    code: str


class PatchData(Data, frozen=True, rename={"from_": "from"}):
    """A change of the block ``keep``: either ``append``, or ``from_``, ``html``, ``then`` and ``tail``.

    ``docs/protocol.md`` explains the fields.
    """

    message: str
    part: int
    keep: int
    append: str | msgspec.UnsetType = msgspec.UNSET
    from_: int | msgspec.UnsetType = msgspec.UNSET
    html: str | msgspec.UnsetType = msgspec.UNSET
    then: tuple[tuple[int, str], ...] = ()
    tail: int = 0
    stay: bool = False


class Patch(Transient[PatchData], tag="data-patch", frozen=True):
    """A change of one block of a part, in the html format."""


class MessageData(Data, frozen=True):
    """A message's ``<article>`` and its place.

    ``after`` is the id of the message before it, ``None`` for the first; ``UNSET`` keeps its place, or adds it last.
    ``earlier`` tells, on the first message, whether the conversation has older ones.
    """

    id: str
    status: str
    html: str
    after: str | msgspec.UnsetType | None = msgspec.UNSET
    earlier: bool = False


class MessageHtml(Transient[MessageData], tag="data-message", frozen=True):
    """A whole message, in the html format."""


class EarlierData(Data, frozen=True):
    """The HTML of messages, and whether there are ``more`` before them."""

    html: str
    more: bool


class EarlierHtml(Transient[EarlierData], tag="data-earlier", frozen=True):
    """Messages to show before those that the page has."""


class PartData(Data, frozen=True):
    """The HTML of an empty part, and its index in the message."""

    message: str
    part: int
    html: str


class PartHtml(Transient[PartData], tag="data-part", frozen=True):
    """The shell of a part, in the html format."""


class PartEndData(Data, frozen=True):
    """The HTML of the heading of a part that has ended, and the index of the part in the message."""

    message: str
    part: int
    html: str


class PartEndHtml(Transient[PartEndData], tag="data-part-end", frozen=True):
    """The end of a part that has a heading, in the html format."""


class SourcesData(Data, frozen=True):
    """The HTML of the list of all sources that a message has so far."""

    message: str
    html: str


class SourcesHtml(Transient[SourcesData], tag="data-sources", frozen=True):
    """The list of a message's sources, in the html format."""


class MessageEndData(Data, frozen=True):
    """The status of a message that has ended, and the HTML of its footer."""

    message: str
    status: str
    html: str


class MessageEnd(Transient[MessageEndData], tag="data-message-end", frozen=True):
    """The end of a message, in the html format."""


class ConversationData(Data, frozen=True):
    """A conversation's uid and title."""

    id: str
    title: str


class ConversationTitle(Transient[ConversationData], tag="data-conversation", frozen=True):
    """The conversation that a message was added to, in the html format."""


class SourceData(Data, frozen=True):
    """A message's uid and its Markdown source."""

    message: str
    text: str


class MessageSource(Transient[SourceData], tag="data-source", frozen=True):
    """A message as Markdown."""


Closing = Finish | Abort | Error
"""The last chunk of a stream."""
