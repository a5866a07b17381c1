"""The values that flow: UI message chunks and parts of the AI SDK's UI message stream, as frozen types.

Source of the format: the npm package ``ai`` 7.0.173, ``src/ui-message-stream/ui-message-chunks.ts``;
``docs/protocol.md`` tells it in full. A chunk is encoded with its ``type`` and camel-case keys.
"""

from typing import Any, Literal

import msgspec

FinishReason = Literal["stop", "length", "content-filter", "tool-calls", "error", "other"]


class Chunk(msgspec.Struct, frozen=True, tag_field="type", rename="camel", omit_defaults=True, gc=False):
    """One entry of a run's log."""


class Start(Chunk, tag="start", frozen=True):
    """The answer begins; for the client that asked, the acknowledgement of its message."""

    message_id: str


class StartStep(Chunk, tag="start-step", frozen=True):
    """A call to the model begins."""


class FinishStep(Chunk, tag="finish-step", frozen=True):
    """A call to the model has ended."""


class TextStart(Chunk, tag="text-start", frozen=True):
    """A text part begins. ``id`` is the index of the part among the answer's parts, as a string."""

    id: str


class TextDelta(Chunk, tag="text-delta", frozen=True):
    """Text to append to the part ``id``."""

    id: str
    delta: str


class TextEnd(Chunk, tag="text-end", frozen=True):
    """The text part ``id`` is whole."""

    id: str


class ReasoningStart(Chunk, tag="reasoning-start", frozen=True):
    """A reasoning part begins."""

    id: str


class ReasoningDelta(Chunk, tag="reasoning-delta", frozen=True):
    """Reasoning to append to the part ``id``."""

    id: str
    delta: str


class ReasoningEnd(Chunk, tag="reasoning-end", frozen=True):
    """The reasoning part ``id`` is whole."""

    id: str


class Transient(Chunk, frozen=True, omit_defaults=False):
    """Data beside the message: a client shows it and keeps it out of the message."""

    data: dict[str, Any]
    transient: bool = True


class Status(Transient, tag="data-status", frozen=True):
    """What the answer waits for, as ``{"status": ...}``.

    ``loading``: a model is being loaded; ``waiting``: the next delta; ``saving``: a database that does not answer;
    ``reconnecting`` (in the html view): the log, which cannot be read at the moment.
    """


class Finish(Chunk, tag="finish", frozen=True):
    """The answer is complete (``stop``) or cut (``length``)."""

    finish_reason: FinishReason


class Abort(Chunk, tag="abort", frozen=True):
    """The answer was stopped by its reader."""


class Error(Chunk, tag="error", frozen=True):
    """The answer failed or was interrupted. ``code`` is a key of ``errors.ERRORS``; the wire has it on the frame."""

    code: str


class Patch(Transient, tag="data-patch", frozen=True):
    """One block of a part in the html view; ``docs/protocol.md`` has the fields."""


class MessageHtml(Transient, tag="data-message", frozen=True):
    """A whole message in the html view: ``{"id", "status", "html", "after", "earlier"}``, the last two in some only."""


class EarlierHtml(Transient, tag="data-earlier", frozen=True):
    """Messages that stand before others: ``{"html", "more"}``, whether there are still older ones."""


class PartHtml(Transient, tag="data-part", frozen=True):
    """The shell of a part in the html view: ``{"message", "part", "html"}``."""


class MessageEnd(Transient, tag="data-message-end", frozen=True):
    """How a message ended, in the html view: ``{"message", "status", "html"}``, the HTML of its footer."""


class ConversationTitle(Transient, tag="data-conversation", frozen=True):
    """The conversation that a message was added to, in the html view: ``{"id", "title"}``."""


class MessageSource(Transient, tag="data-source", frozen=True):
    """A message as Markdown: ``{"message", "text"}``."""


Ending = Finish | Abort | Error
"""A log ends with exactly one of these."""


def status_of(ending: Ending) -> str:
    """The status of the message that ended so."""
    if isinstance(ending, Abort):
        return "stopped"
    if isinstance(ending, Error):
        return "interrupted" if ending.code == "interrupted" else "failed"
    return "cut" if ending.finish_reason == "length" else "complete"


def is_filtered(ending: Ending) -> bool:
    """Whether the model's provider took something out of the answer that ended so, or stopped it there."""
    return isinstance(ending, Finish) and ending.finish_reason == "content-filter"


class TextPart(msgspec.Struct, frozen=True, tag="text", tag_field="type"):
    """A part of a message that is Markdown text."""

    text: str


class ReasoningPart(msgspec.Struct, frozen=True, tag="reasoning", tag_field="type"):
    """A part of a message that is the model's reasoning."""

    text: str


Part = TextPart | ReasoningPart

STREAMED: dict[str, tuple[type[Chunk], type[Chunk], type[Chunk]]] = {
    "text": (TextStart, TextDelta, TextEnd),
    "reasoning": (ReasoningStart, ReasoningDelta, ReasoningEnd),
}
"""The chunks that tell a part of each kind as it grows: its start, more of it, its end."""
