"""An answer while it is made: deltas are gathered, and leave it merged, one chunk a tick."""

from collections.abc import Sequence

from ..backends.base import Reasoning, Text
from ..chunks import STREAMED, Chunk, Part, ReasoningPart, TextPart
from ..text import storable

_KINDS = {Text: STREAMED["text"], Reasoning: STREAMED["reasoning"]}


class Draft:
    """The parts of an answer so far. A part ends where a delta of another kind comes."""

    def __init__(self, begun: Sequence[Part] = ()) -> None:
        self.length = 0
        self.version = 0
        """Grows with every delta, so that a checkpoint knows whether there is something new."""
        self._parts: list[tuple[type[Text | Reasoning], list[str]]] = []
        self._pending: list[str] = []
        self._ready: list[Chunk] = []
        for part in begun:  # an answer that is continued has its beginning already
            self.add(Text(part.text) if isinstance(part, TextPart) else Reasoning(part.text))
        self.version = 0

    def add(self, delta: Text | Reasoning) -> None:
        """Gather one delta. This is the path of every token: two appends."""
        kind = type(delta)
        if not self._parts or self._parts[-1][0] is not kind:
            self._end_part()
            self._parts.append((kind, []))
            self._ready.append(_KINDS[kind][0](str(len(self._parts) - 1)))
        text = delta.text
        self._pending.append(text)
        self.length += len(text)
        self.version += 1

    def take(self) -> list[Chunk]:
        """The chunks since the last call, the deltas of a part merged into one."""
        self._merge()
        ready, self._ready = self._ready, []
        return ready

    def end(self) -> list[Chunk]:
        """The last chunks, the end of the open part among them."""
        self._end_part()
        return self.take()

    def parts(self) -> tuple[Part, ...]:
        """The answer so far as parts of a message, what was not taken yet among it."""
        self._merge()
        return tuple(
            TextPart("".join(pieces)) if kind is Text else ReasoningPart("".join(pieces))
            for kind, pieces in self._parts
        )

    def _merge(self) -> None:
        if self._pending:
            kind, pieces = self._parts[-1]
            text = storable("".join(self._pending))
            self._pending.clear()
            pieces.append(text)
            self._ready.append(_KINDS[kind][1](str(len(self._parts) - 1), text))

    def _end_part(self) -> None:
        self._merge()
        if self._parts:
            self._ready.append(_KINDS[self._parts[-1][0]][2](str(len(self._parts) - 1)))
