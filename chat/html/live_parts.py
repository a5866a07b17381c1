"""Renders a growing part of an answer: a short text on the event loop, a long one off it."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from time import thread_time
from typing import NamedTuple, TypeVar

from ..chunks import Patch
from ..parts import Kind
from .markdown import Known, Live, Wanted, diff, extended, highlight, render_live
from .markdown.thread import LONG_TEXT, executor, giving_way
from .message_chunks import patch_chunk
from .messages import PartView, safe

A = TypeVar("A")
T = TypeVar("T")


class Changes(NamedTuple):
    """The chunks that bring a reader up to date, and the argument ``known`` of the next comparison."""

    chunks: Sequence[Patch]
    known: int


class LivePart:
    """A part of a growing answer: its text so far, and the blocks of its HTML.

    Its text may cite ``sources``, those that the answer has when the part begins.
    """

    def __init__(self, index: int, kind: Kind, started: float | None = None, sources: Known = ()) -> None:
        self.index = index
        self.kind = kind
        self._sources = sources if kind.is_text else ()
        self.blocks: tuple[str, ...] = ()
        self.running = kind.timed
        """Whether it is of a timed kind, and has not ended."""
        self._started = started
        self._seconds: float | None = None
        self.length = 0
        """Characters of its text so far."""
        self._pieces: list[str] = []
        self._stale = False
        self._last: tuple[tuple[str, ...], int, tuple[str, ...], Changes] | None = None

    def grow(self, text: str) -> None:
        """Append text; the next ``render`` brings the HTML up to date."""
        self._pieces.append(text)
        self.length += len(text)
        self._stale = True

    def end(self, seconds: float | None) -> None:
        """Take its end, and how long it took."""
        self.running = False
        self._seconds = seconds

    async def render(self) -> float:
        """Update the blocks from the text, and return the cost of rendering in seconds of CPU time."""
        if not self._stale:
            return 0.0
        self._stale = False
        before, *more = self._pieces
        text = "".join(self._pieces)
        self._pieces = [text]
        if self.blocks and len(text) <= LONG_TEXT and (last := extended(self.blocks[-1], before, "".join(more))):
            self.blocks = (*self.blocks[:-1], last)
            return 0.0
        live, cost = await _rendered(text, self._sources)
        if live.missing:  # not part of the cost, because each block of code is highlighted once only
            await _in_thread(_highlight_all, live.missing)
            live, cost = await _rendered(text, self._sources)
        self.blocks = live.blocks
        return cost

    def changes(self, message: str, shown: tuple[str, ...], known: int) -> "Changes":
        """Compare the blocks with ``shown``, those of a reader; readers that show the same share the chunks.

        Args:
            message: the ``uid`` of the answer.
            shown: the blocks that the reader shows.
            known: the number of the first block that the reader holds as a string (see ``markdown.diff``).
        """
        last = self._last
        if last is None or last[0] is not shown or last[1] != known or last[2] is not self.blocks:
            patches, known_then = diff(shown, self.blocks, known)
            chunks = [patch_chunk(message, self.index, patch) for patch in patches]
            self._last = last = (shown, known, self.blocks, Changes(chunks, known_then))
        return last[3]

    def view(self) -> PartView:
        """Make the view of the part that templates receive."""
        return replace(self.shell(), blocks=safe(self.blocks))

    def shell(self) -> PartView:
        """Make the view of the part without its blocks."""
        elapsed = ""
        if self.running and self._started is not None:
            elapsed = f"{max(0.0, time.time() - self._started):.1f}"
        return PartView(self.index, self.kind.name, (), self.running, elapsed, self._seconds)


async def _rendered(text: str, sources: Known) -> tuple[Live, float]:
    """Render a growing text, a long one off the event loop, and measure the cost in seconds of CPU time."""
    return _timed((text, sources)) if len(text) <= LONG_TEXT else await _in_thread(_timed, (text, sources))


def _timed(given: tuple[str, Known]) -> tuple[Live, float]:
    began = thread_time()
    return render_live(*given), thread_time() - began


def _highlight_all(missing: Iterable[Wanted]) -> None:
    """Highlight blocks of code. Call this in a thread: a long block takes 76 ms."""
    for language, code in missing:
        highlight(language, code)


async def _in_thread(step: Callable[[A], T], argument: A) -> T:
    return await asyncio.get_running_loop().run_in_executor(executor(), giving_way, step, argument)
