"""Collects the deltas of an answer while it is generated, and merges them into one chunk per tick."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from ..backends.base import Content
from ..chunks import Chunk, FinishStep, NextRun, RunData, StartStep
from ..db.calls import asked_chunks, begun_chunk, ended_chunks
from ..models import ToolCall
from ..parts import Kind, Part, ToolPart, kind_of
from ..sources import Sources, source_chunk
from ..streams.base import Stream
from ..text import storable

NO_CALLS: Mapping[str, ToolCall] = MappingProxyType({})


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
    """The parts of an answer so far. A part ends when a delta of another kind arrives, or the calls of a step begin.

    Args:
        begun: the parts that the answer begins with, if it continues another one.
        calls: the calls that they name, by their ``uid``.
        run: the number of the run, if the answer goes on after a decision. The run shows the ends of the calls that the
            visitor has just decided about (``decided``), so they are left out here.
    """

    def __init__(
        self, begun: Sequence[Part] = (), calls: Mapping[str, ToolCall] = NO_CALLS, *, run: int | None = None
    ) -> None:
        self.step = 0
        """The number of the model's call that is under way."""
        self.length = 0
        self.version = 0
        """Grows by one with every delta, so that a checkpoint can tell whether there is anything new."""
        self.sources = Sources()
        """What the calls have found, in the order in which they began."""
        self._calls: dict[str, ToolCall] = {}
        """The calls whose sources do not count yet, in that order."""
        self._ended: set[str] = set()
        self._kind: Kind | None = None
        """The kind of the open part."""
        self._parts: list[Piece | ToolPart] = []
        self._step_begins = (0, 0)
        """Where the texts of this step begin: the index of a part, and the characters of it that are older."""
        self._pending: list[str] = []
        self._ready: list[Chunk] = []
        self.is_between = False
        """Whether the last step has ended, and no other one has begun."""
        self.decided: list[ToolCall] = [] if run is None else _asked_last(begun, calls)
        """The calls about which the visitor was asked at the end of the run before."""
        for part in begun:  # a continued answer already has its beginning
            self._restore(part, calls)
        self._continue(run)

    def _continue(self, run: int | None) -> None:
        """Begin after the parts that there are: those of a run before a decision, or of an answer that is continued."""
        if run is not None:
            self._close()
            self._ready += [FinishStep(), NextRun(RunData(run))]
            self.is_between = True
        elif self._parts and isinstance(self._parts[-1], ToolPart):
            self.next_step()
        elif self._kind is not None and self._kind.timed:  # more of its kind takes a time of its own
            self._close()
        self._mark_step()

    def add(self, delta: Content) -> None:
        """Add one delta. Every token passes here, so it costs no more than one append."""
        if delta.kind is not self._kind:
            self._open(delta.kind)
        text = delta.text
        self._pending.append(text)
        self.length += len(text)
        self.version += 1

    def add_calls(self, calls: Sequence[ToolCall]) -> None:
        """Add the calls of this step, which have begun, except those that the answer has already."""
        self._close()
        known = {part.call for part in self._parts if isinstance(part, ToolPart)}
        for call in calls:
            if call.uid not in known:
                self._parts.append(ToolPart(call.uid))
                self._calls[call.uid] = call
                self._ready.append(begun_chunk(call))
        self.version += 1

    def add_chunk(self, chunk: Chunk) -> None:
        """Add a chunk of a call, behind what has been collected."""
        self._merge()
        self._ready.append(chunk)

    def end_call(self, call: ToolCall) -> None:
        """Add the end of a call, with its sources and those of later calls that waited for it.

        Calls of a step end in any order, and their sources are numbered in the order in which they began.
        """
        if not call.is_over:
            return
        for chunk in ended_chunks(call):
            self.add_chunk(chunk)
        self._ended.add(call.uid)
        for uid in list(self._calls):
            if uid not in self._ended:
                break
            found = self._calls.pop(uid)
            if found.state == ToolCall.State.DONE:
                self._ready += map(source_chunk, self.sources.add(found.output))

    def next_step(self) -> None:
        """End the step: the model is called again."""
        self._close()
        self._ready += [StartStep()] if self.is_between else [FinishStep(), StartStep()]
        self.is_between = False
        self.step += 1
        self._mark_step()

    def said(self, kind: Kind) -> str:
        """Return the text of one kind that the model has added in this step."""
        self._merge()
        index, known = self._step_begins
        texts = [_text(piece, kind) for piece in self._parts[index:]]
        return "".join([texts[0][known:], *texts[1:]]) if texts else ""

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
        return tuple(
            piece if isinstance(piece, ToolPart) else piece.kind.stored("".join(piece.texts), piece.seconds)
            for piece in self._parts
        )

    def _mark_step(self) -> None:
        """Note where the texts of the step begin."""
        self._merge()
        open_part = self._parts[-1] if self._kind is not None else None
        known = sum(map(len, open_part.texts)) if isinstance(open_part, Piece) else 0
        self._step_begins = (len(self._parts) - (open_part is not None), known)

    def _open(self, kind: Kind) -> None:
        """Begin a part of another kind than the last one."""
        self._begin(Piece(kind, began=time.monotonic() if kind.timed else None), time.time() if kind.timed else None)

    def _restore(self, part: Part, calls: Mapping[str, ToolCall]) -> None:
        """Begin with a part of an earlier answer, unless the last one is of its kind."""
        if isinstance(part, ToolPart):
            self._restore_call(calls.get(part.call))
            return
        if self._parts and isinstance(self._parts[-1], ToolPart):
            self.next_step()
        kind = kind_of(part)
        if kind is not self._kind:
            self._begin(Piece(kind, seconds=getattr(part, "seconds", None)))
        self._pending.append(part.text)
        self.length += len(part.text)

    def _restore_call(self, call: ToolCall | None) -> None:
        """Begin with a call of an earlier answer, which does not run again."""
        if call is None:
            return
        if self._parts and isinstance(self._parts[-1], ToolPart) and call.step != self.step:
            self.next_step()
        self.step = call.step
        self.add_calls([call])
        for chunk in asked_chunks(call):
            self.add_chunk(chunk)
        if call not in self.decided:
            self.end_call(call)

    def _begin(self, piece: Piece, started: float | None = None) -> None:
        self._close()
        self._kind = piece.kind
        self._parts.append(piece)
        self._ready.append(piece.kind.begin(self._id, started))

    def _merge(self) -> None:
        piece = self._parts[-1] if self._pending else None
        if isinstance(piece, Piece):
            text = storable("".join(self._pending))
            self._pending.clear()
            piece.texts.append(text)
            self._ready.append(piece.kind.delta(self._id, text))

    def _close(self) -> None:
        self._merge()
        piece = self._parts[-1] if self._kind is not None else None
        if isinstance(piece, Piece):
            piece.end()
            self._ready.append(piece.kind.finish(self._id, piece.seconds))
            self._kind = None

    @property
    def _id(self) -> str:
        """Return the id that the last part has in its chunks."""
        return str(len(self._parts) - 1)


def _asked_last(parts: Sequence[Part], calls: Mapping[str, ToolCall]) -> list[ToolCall]:
    """Return the calls of the last step about which the visitor was asked."""
    named = [calls[part.call] for part in parts if isinstance(part, ToolPart) and part.call in calls]
    return [call for call in named if call.question and call.step == named[-1].step]


def _text(piece: Piece | ToolPart, kind: Kind) -> str:
    """Return the text of a part if it is of this kind."""
    return "".join(piece.texts) if isinstance(piece, Piece) and piece.kind is kind else ""


def flush(draft: Draft, stream: Stream) -> None:
    """Append to the stream what the draft has collected."""
    for chunk in draft.take():
        stream.append(chunk)
