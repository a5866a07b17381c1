"""Collects the deltas of an answer while it is generated, and merges them into one chunk per tick."""

from collections.abc import Sequence

from ..backends.base import Content
from ..chunks import Chunk
from ..parts import Kind, Part, kind_of
from ..text import storable


class Draft:
    """The parts of an answer so far. A part ends when a delta of another kind arrives."""

    def __init__(self, begun: Sequence[Part] = ()) -> None:
        self.length = 0
        self.version = 0
        """Grows with every delta, so that a checkpoint can see whether there is anything new."""
        self._kind: Kind | None = None
        """The kind of the last part."""
        self._parts: list[tuple[Kind, list[str]]] = []
        self._pending: list[str] = []
        self._ready: list[Chunk] = []
        for part in begun:  # a continued answer already has its beginning
            self._open(kind_of(part))
            self._pending.append(part.text)
            self.length += len(part.text)

    def add(self, delta: Content) -> None:
        """Take one delta. Every token passes here: it costs one append."""
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
        return tuple(kind.part("".join(pieces)) for kind, pieces in self._parts)

    def _open(self, kind: Kind) -> None:
        """Begin a part, unless the last one is of this kind."""
        if kind is self._kind:
            return
        self._close()
        self._kind = kind
        self._parts.append((kind, []))
        self._ready.append(kind.start(self._id))

    def _merge(self) -> None:
        if self._pending:
            kind, pieces = self._parts[-1]
            text = storable("".join(self._pending))
            self._pending.clear()
            pieces.append(text)
            self._ready.append(kind.delta(self._id, text))

    def _close(self) -> None:
        self._merge()
        if self._kind is not None:
            self._ready.append(self._kind.end(self._id))

    @property
    def _id(self) -> str:
        """The id of the last part in its chunks."""
        return str(len(self._parts) - 1)
