"""Makes the chunks of a stream from a stored answer: all of them, or those that a reader is missing."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

from ..chunks import Chunk, Closing, FinishStep, PartDelta, PartEnd, Start, StartStep
from ..endings import Ending, by_columns
from ..models import Message
from ..parts import KINDS, Kind, Part, kind_of, started_by


def ending_of(message: Message) -> Ending:
    """Return how a stored answer ended; one that is running but has no stream counts as interrupted."""
    return by_columns(message.status, message.finish_reason, message.error)


def replay(message: Message) -> list[Chunk]:
    """Return all chunks of an answer that has ended, as the database has it."""
    return cast(list[Chunk], remainder(message, ()))


def remainder(message: Message, held: Sequence[Chunk]) -> list[Chunk] | None:
    """Return the chunks that follow ``held`` in the stream of an answer that has ended.

    Return ``None`` if the stored answer does not begin with ``held``: then only the whole answer can replace them.
    """
    if held and isinstance(held[-1], Closing):
        return []
    parts = parts_of(held)
    stored = message.parts
    if len(parts) > len(stored):
        return None
    for part, known in zip(parts, stored, strict=False):
        if known["type"] != kind_of(part).name or not known["text"].startswith(part.text):
            return None
        if part is not parts[-1] and known["text"] != part.text:
            return None
    return [*_opening(message, held), *_rest(stored, parts, held), *_closing(message, held)]


def parts_of(held: Sequence[Chunk]) -> tuple[Part, ...]:
    """Return the parts of an answer, as far as the first chunks of its stream contain them."""
    parts: list[tuple[Kind, list[str]]] = []
    seconds: dict[int, float | None] = {}
    for chunk in held:
        if isinstance(chunk, PartDelta):
            parts[int(chunk.id)][1].append(chunk.delta)
        elif isinstance(chunk, PartEnd):
            seconds[int(chunk.id)] = chunk.seconds
        elif kind := started_by(chunk):
            parts.append((kind, []))
    return tuple(kind.stored("".join(pieces), seconds.get(index)) for index, (kind, pieces) in enumerate(parts))


def _opening(message: Message, held: Sequence[Chunk]) -> Iterator[Chunk]:
    if not held:
        yield Start(message.uid)
    if len(held) < 2:
        yield StartStep()


def _rest(stored: list[dict[str, Any]], parts: tuple[Part, ...], held: Sequence[Chunk]) -> Iterator[Chunk]:
    """Yield the chunks of the texts that are not in ``held``, each in its part."""
    closed = not parts or any(isinstance(chunk, PartEnd) and chunk.id == str(len(parts) - 1) for chunk in held)
    for index, part in enumerate(stored):
        kind = KINDS[part["type"]]
        name, known = str(index), len(parts[index].text) if index < len(parts) else 0
        if index < len(parts) and (index < len(parts) - 1 or closed):
            continue
        if index >= len(parts):
            yield kind.start(name)
        if text := part["text"][known:]:
            yield kind.delta(name, text)
        yield kind.finish(name, part.get("seconds"))


def _closing(message: Message, held: Sequence[Chunk]) -> Iterator[Chunk]:
    ending = ending_of(message)
    if ending.finish_reason and not (held and isinstance(held[-1], FinishStep)):
        yield FinishStep()
    yield ending.chunk
