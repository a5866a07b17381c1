"""The kinds of parts that an answer is made of: one table of how each is streamed, stored, shown and read again.

A new kind whose text streams takes a row here, with its chunks and its stored form; a delta in ``backends/base.py``;
a decoder that makes this delta; and a template, ``llm_chat/parts/<name>.html``.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from .chunks import Chunk, PartDelta, PartEnd, PartStart


class TextStart(PartStart, tag="text-start", frozen=True):
    """A text part begins."""


class TextDelta(PartDelta, tag="text-delta", frozen=True):
    """More of a text part."""


class TextEnd(PartEnd, tag="text-end", frozen=True):
    """A text part is whole."""


class TextPart(msgspec.Struct, frozen=True, tag="text", tag_field="type"):
    """A part of a message that is Markdown text."""

    text: str


class ReasoningStart(PartStart, tag="reasoning-start", frozen=True):
    """A reasoning part begins."""


class ReasoningDelta(PartDelta, tag="reasoning-delta", frozen=True):
    """More of a reasoning part."""


class ReasoningEnd(PartEnd, tag="reasoning-end", frozen=True):
    """A reasoning part is whole."""


class ReasoningPart(msgspec.Struct, frozen=True, tag="reasoning", tag_field="type"):
    """A part of a message that is the model's reasoning."""

    text: str


Part = TextPart | ReasoningPart
"""A part as it is stored."""


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """One kind of part."""

    name: str
    """The ``type`` of its stored form."""
    part: Callable[[str], Part]
    """The class of its stored form, which holds its text."""
    start: type[PartStart]
    delta: type[PartDelta]
    end: type[PartEnd]
    is_text: bool
    """Whether its text belongs to the answer's text: models read it in later turns, and a search finds it."""
    export: Callable[[str], str]
    """Makes of its text what a Markdown export has of it; an empty string for nothing."""

    @property
    def template(self) -> str:
        """The template that shows it."""
        return f"llm_chat/parts/{self.name}.html"


TEXT = Kind("text", TextPart, TextStart, TextDelta, TextEnd, is_text=True, export=str)
REASONING = Kind(
    "reasoning", ReasoningPart, ReasoningStart, ReasoningDelta, ReasoningEnd, is_text=False, export=lambda text: ""
)

KINDS = {kind.name: kind for kind in (TEXT, REASONING)}
"""The kinds by their names."""

CHUNKS = tuple(chunk for kind in KINDS.values() for chunk in (kind.start, kind.delta, kind.end))
"""The chunks of every kind, which a stream stores."""

_BY_START: dict[type[Chunk], Kind] = {kind.start: kind for kind in KINDS.values()}


def kind_of(part: Part) -> Kind:
    """Return the kind of a part."""
    return KINDS[str(part.__struct_config__.tag)]


def started_by(chunk: Chunk) -> Kind | None:
    """Return the kind of the part that a chunk begins; ``None`` for any other chunk."""
    return _BY_START.get(type(chunk))


def text_of(parts: Iterable[Part]) -> str:
    """Return the text of an answer, without its reasoning."""
    return "\n\n".join(part.text for part in parts if kind_of(part).is_text)


def exported(stored: Iterable[dict[str, Any]]) -> str:
    """Return what a Markdown export has of an answer's parts, given as they are stored."""
    pieces = (KINDS[part["type"]].export(part["text"]) for part in stored)
    return "\n\n".join(piece for piece in pieces if piece)
