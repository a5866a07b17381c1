"""The values of the stream: chunks of the AI SDK's UI message stream, and our own, as frozen types.

Source of the format: the npm package ``ai`` 7.0.173, ``src/ui-message-stream/ui-message-chunks.ts``;
``docs/protocol.md`` describes it in full. A chunk is encoded with its ``type`` and camel-case keys. The chunks of each
kind of part are in ``parts.py``.
"""

from typing import Generic, Literal, TypeVar

import msgspec

FinishReason = Literal["stop", "length", "content-filter", "tool-calls", "error", "other"]


class Chunk(msgspec.Struct, frozen=True, tag_field="type", rename="camel", omit_defaults=True, gc=False):
    """One entry of a stream."""


class Start(Chunk, tag="start", frozen=True):
    """The answer begins; for the client that asked, the acknowledgement of its message."""

    message_id: str


class StartStep(Chunk, tag="start-step", frozen=True):
    """A call to the model begins."""


class FinishStep(Chunk, tag="finish-step", frozen=True):
    """A call to the model has ended."""


class PartStart(Chunk, frozen=True):
    """A part begins. ``id`` is the index of the part among the answer's parts, as a string."""

    id: str


class PartDelta(Chunk, frozen=True):
    """Text to append to the part ``id``."""

    id: str
    delta: str


class PartEnd(Chunk, frozen=True):
    """The part ``id`` is whole."""

    id: str


class Data(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The payload of a transient chunk. A field that is ``UNSET``, or has its default, is left out on the wire."""


DataT = TypeVar("DataT", bound=Data)


class Transient(Chunk, Generic[DataT], frozen=True, omit_defaults=False):
    """Data beside the message: a client shows it and keeps it out of the message."""

    data: DataT
    transient: bool = True


class StatusData(Data, frozen=True):
    """What the answer waits for.

    ``loading``: a model is being loaded; ``waiting``: the next delta; ``saving``: a database that does not answer;
    ``reconnecting`` (in the html format): the stream, which cannot be read at the moment.
    """

    status: str


class Status(Transient[StatusData], tag="data-status", frozen=True):
    """What the answer waits for."""


LOADING = Status(StatusData("loading"))
WAITING = Status(StatusData("waiting"))
SAVING = Status(StatusData("saving"))
RECONNECTING = Status(StatusData("reconnecting"))


class Finish(Chunk, tag="finish", frozen=True):
    """The answer is complete (``stop``, ``content-filter``) or cut (``length``)."""

    finish_reason: FinishReason


class Abort(Chunk, tag="abort", frozen=True):
    """The answer was stopped by its reader."""


class Error(Chunk, tag="error", frozen=True):
    """The answer failed or was interrupted. ``code`` is a key of ``errors.ERRORS``; the wire has it on the frame."""

    code: str


class PatchData(Data, frozen=True, rename={"from_": "from"}):
    """A change of the block ``keep``: either ``from_``, ``html``, ``then`` and ``tail``, or ``append``.

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

    ``after`` is the id of the message before it, ``None`` for the first; ``UNSET`` leaves it where it is, or last.
    ``earlier`` says of the first that the conversation has older ones.
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
    """Messages that stand before others."""


class PartData(Data, frozen=True):
    """The HTML of an empty part, and its number in a message."""

    message: str
    part: int
    html: str


class PartHtml(Transient[PartData], tag="data-part", frozen=True):
    """The shell of a part, in the html format."""


class MessageEndData(Data, frozen=True):
    """The status of a message that has ended, and the HTML of its footer."""

    message: str
    status: str
    html: str


class MessageEnd(Transient[MessageEndData], tag="data-message-end", frozen=True):
    """How a message ended, in the html format."""


class ConversationData(Data, frozen=True):
    """A conversation's uid and title."""

    id: str
    title: str


class ConversationTitle(Transient[ConversationData], tag="data-conversation", frozen=True):
    """The conversation that a message was added to, in the html format."""


class SourceData(Data, frozen=True):
    """A message's uid, and the Markdown that it is made of."""

    message: str
    text: str


class MessageSource(Transient[SourceData], tag="data-source", frozen=True):
    """A message as Markdown."""


Closing = Finish | Abort | Error
"""The last chunk of a stream."""
