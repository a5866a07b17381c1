"""Collects the deltas of an answer while it is generated, and merges them into one chunk per tick."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..backends.base import Content
from ..chunks import Chunk
from ..parts import Kind, Part, kind_of
from ..text import storable


@dataclass(slots=True)
class Piece:
    """One part of a draft: its kind, its text in pieces, and its time, if that is measured."""

    kind: Kind
    texts: list[str] = field(default_factory=list)
    began: float | None = None
    """By the monotonic clock; ``None`` if its time is not measured."""
    seconds: float | None = None
    """How long it took; ``None`` until its end, or if that is not known."""

    def end(self) -> None:
        """Measure how long it took, at its end."""
        if self.began is not None:
            self.seconds = round(time.monotonic() - self.began, 1)


class Draft:
    """The parts of an answer so far. A part ends when a delta of another kind arrives."""

    def __init__(self, begun: Sequence[Part] = ()) -> None:
        self.length = 0
        self.version = 0
        """Grows by one with every delta, so that a checkpoint can tell whether there is anything new."""
        self._kind: Kind | None = None
        """The kind of the open part."""
        self._parts: list[Piece] = []
        self._pending: list[str] = []
        self._ready: list[Chunk] = []
        for part in begun:  # a continued answer already has its beginning
            self._restore(part)
        if self._parts and self._parts[-1].kind.timed:  # more of its kind takes a time of its own
            self._close()

    def add(self, delta: Content) -> None:
        """Add one delta. Every token passes here, so it costs no more than one append."""
        if delta.kind is not self._kind:
            self._open(delta.kind)
        text = delta.text
        self._pending.append(text)
        self.length += len(text)
        self.version += 1

    def take(self) -> list[Chunk]:
        """Return the chunks since the last call, with the deltas of a part merged into one."""
        self._merge()
        ready, self._ready = self._ready, []
        return ready

    def end(self) -> list[Chunk]:
        """Return the last chunks, including the end of the open part."""
        self._close()
        return self.take()

    def parts(self) -> tuple[Part, ...]:
        """Return the answer so far as parts of a message, including what has not been taken yet."""
        self._merge()
        return tuple(piece.kind.stored("".join(piece.texts), piece.seconds) for piece in self._parts)

    def _open(self, kind: Kind) -> None:
        """Begin a part of another kind than the last one."""
        self._begin(Piece(kind, began=time.monotonic() if kind.timed else None), time.time() if kind.timed else None)

    def _restore(self, part: Part) -> None:
        """Begin with a part of an earlier answer, unless the last one is of its kind."""
        kind = kind_of(part)
        if kind is not self._kind:
            self._begin(Piece(kind, seconds=getattr(part, "seconds", None)))
        self._pending.append(part.text)
        self.length += len(part.text)

    def _begin(self, piece: Piece, started: float | None = None) -> None:
        self._close()
        self._kind = piece.kind
        self._parts.append(piece)
        self._ready.append(piece.kind.begin(self._id, started))

    def _merge(self) -> None:
        if self._pending:
            piece = self._parts[-1]
            text = storable("".join(self._pending))
            self._pending.clear()
            piece.texts.append(text)
            self._ready.append(piece.kind.delta(self._id, text))

    def _close(self) -> None:
        self._merge()
        if self._kind is not None:
            piece = self._parts[-1]
            piece.end()
            self._ready.append(piece.kind.finish(self._id, piece.seconds))
            self._kind = None

    @property
    def _id(self) -> str:
        """Return the id that the last part has in its chunks."""
        return str(len(self._parts) - 1)
