"""The kinds of parts of an answer: one table of how each is streamed, stored, shown, exported and read by the model.

To add a kind whose text streams, add a row here, with its chunks and its stored form; a delta in ``backends/base.py``;
a decoder that makes this delta; and a template, ``llm_chat/parts/<name>.html``.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from .chunks import (
    Chunk,
    Metadata,
    NextRun,
    PartDelta,
    PartEnd,
    PartStart,
    SourceUrl,
    Timing,
    ToolApproval,
    ToolDenied,
    ToolInput,
    ToolOutput,
    ToolOutputError,
    ToolQuestion,
)


class TextStart(PartStart, tag="text-start", frozen=True):
    """The beginning of a text part."""


class TextDelta(PartDelta, tag="text-delta", frozen=True):
    """More of a text part."""


class TextEnd(PartEnd, tag="text-end", frozen=True):
    """The end of a text part."""


class TextPart(msgspec.Struct, frozen=True, tag="text", tag_field="type"):
    """A part of a message that is Markdown text."""

    text: str


class ReasoningStart(PartStart, tag="reasoning-start", frozen=True):
    """The beginning of a reasoning part."""


class ReasoningDelta(PartDelta, tag="reasoning-delta", frozen=True):
    """More of a reasoning part."""


class ReasoningEnd(PartEnd, tag="reasoning-end", frozen=True):
    """The end of a reasoning part."""


class ReasoningPart(msgspec.Struct, frozen=True, tag="reasoning", tag_field="type", omit_defaults=True):
    """A part of a message that is the model's reasoning, and how long it took, if that is known."""

    text: str
    seconds: float | None = None


class ToolPart(msgspec.Struct, frozen=True, tag="tool", tag_field="type"):
    """A part of a message that is a call of a tool: the ``uid`` of its row, which has everything else."""

    call: str


TOOL = "tool"
"""The ``type`` of a ``ToolPart``, which is no ``Kind``: it has no text."""

SOURCE = "source"
"""The ``type`` of a source among the parts of a shared answer, whose calls are not shared."""

StreamedPart = TextPart | ReasoningPart
"""A part whose text streams."""

Part = StreamedPart | ToolPart
"""A part as it is stored."""


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """One kind of part."""

    name: str
    """The ``type`` of its stored form."""
    part: Callable[..., StreamedPart]
    """Makes the stored form of a part from its text and, if it is timed, how many seconds it took."""
    start: type[PartStart]
    delta: type[PartDelta]
    end: type[PartEnd]
    is_text: bool
    """Whether its text is part of the answer's text, which models read in later turns and searches find."""
    export: Callable[[str], str]
    """Turns its text into what a Markdown export contains; an empty string to leave it out."""
    timed: bool = False
    """Whether the time that it takes is measured, stored, and shown in its heading."""

    @property
    def template(self) -> str:
        """Return the name of the template that shows a part of this kind."""
        return f"llm_chat/parts/{self.name}.html"

    def stored(self, text: str, seconds: float | None) -> StreamedPart:
        """Make the stored form of a part that took this long; ``None`` if that is not known."""
        return self.part(text) if seconds is None else self.part(text, seconds)

    def begin(self, index: str, started: float | None) -> PartStart:
        """Make the chunk of a part that began at this Unix time; ``None`` if that is not known."""
        return self.start(index) if started is None else self.start(index, Metadata(Timing(started=started)))

    def finish(self, index: str, seconds: float | None) -> PartEnd:
        """Make the chunk of the end of a part that took this long; ``None`` if that is not known."""
        return self.end(index) if seconds is None else self.end(index, Metadata(Timing(seconds=seconds)))


TEXT = Kind("text", TextPart, TextStart, TextDelta, TextEnd, is_text=True, export=str)
REASONING = Kind(
    "reasoning",
    ReasoningPart,
    ReasoningStart,
    ReasoningDelta,
    ReasoningEnd,
    is_text=False,
    export=lambda text: "",
    timed=True,
)

KINDS = {kind.name: kind for kind in (TEXT, REASONING)}
"""Every kind, by its name."""

TOOL_CHUNKS = (
    *(ToolInput, ToolApproval, ToolQuestion, ToolOutput, ToolOutputError, ToolDenied),
    *(SourceUrl, NextRun),
)

CHUNKS = (*(chunk for kind in KINDS.values() for chunk in (kind.start, kind.delta, kind.end)), *TOOL_CHUNKS)
"""The chunk types of every kind, all of which streams store."""

_BY_START: dict[type[Chunk], Kind] = {kind.start: kind for kind in KINDS.values()}


def kind_of(part: StreamedPart) -> Kind:
    """Look up the kind of a part."""
    return KINDS[str(part.__struct_config__.tag)]


def started_by(chunk: Chunk) -> Kind | None:
    """Return the kind of part that a chunk starts; ``None`` if it does not start one."""
    return _BY_START.get(type(chunk))


def text_of(parts: Iterable[Part]) -> str:
    """Join the text of an answer's parts, leaving out its reasoning and its calls."""
    return "\n\n".join(part.text for part in parts if not isinstance(part, ToolPart) and kind_of(part).is_text)


def exported(stored: Iterable[dict[str, Any]]) -> str:
    """Join what a Markdown export contains of an answer's parts, given in their stored form."""
    pieces = (KINDS[part["type"]].export(part["text"]) for part in stored if part["type"] in KINDS)
    return "\n\n".join(piece for piece in pieces if piece)


def is_text(stored: dict[str, Any]) -> bool:
    """Tell whether a part, in its stored form, is text of the answer."""
    return stored["type"] in KINDS and KINDS[stored["type"]].is_text
