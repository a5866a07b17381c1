"""Renders a part of an answer as it grows: a short text at once, a long one off the event loop."""

import asyncio
from collections.abc import Callable, Iterable
from time import thread_time
from typing import TypeVar

from .markdown import Diff, Live, Wanted, diff, highlight, render_live
from .markdown.thread import LONG_TEXT, executor, giving_way
from .messages import PartView, safe

A = TypeVar("A")
T = TypeVar("T")


class LivePart:
    """A part of a growing answer: its text so far, and the blocks of its HTML."""

    def __init__(self, index: int, kind: str) -> None:
        self.index = index
        self.kind = kind
        self.blocks: tuple[str, ...] = ()
        self._pieces: list[str] = []
        self._stale = False
        self._last: tuple[tuple[str, ...], int, tuple[str, ...], Diff] | None = None

    def grow(self, text: str) -> None:
        """Append text; the next ``render`` brings the HTML up to date."""
        self._pieces.append(text)
        self._stale = True

    async def render(self) -> float:
        """Bring the blocks up to date with the text; return the cost of rendering, in seconds of CPU time."""
        if not self._stale:
            return 0.0
        self._stale = False
        text = "".join(self._pieces)
        self._pieces = [text]
        live, cost = await _rendered(text)
        if live.missing:  # not counted, because it is done once for each block of code
            await _in_thread(_highlight_all, live.missing)
            live, cost = await _rendered(text)
        self.blocks = live.blocks
        return cost

    def changes(self, shown: tuple[str, ...], known: int) -> Diff:
        """Return what a reader that shows ``shown`` lacks; readers at the same place share one comparison."""
        last = self._last
        if last is None or last[0] is not shown or last[1] != known or last[2] is not self.blocks:
            self._last = last = (shown, known, self.blocks, diff(shown, self.blocks, known))
        return last[3]

    def view(self) -> PartView:
        """Return the part as templates receive it."""
        return PartView(self.index, self.kind, safe(self.blocks))


async def _rendered(text: str) -> tuple[Live, float]:
    """Render a growing text, a long one off the event loop; return also the cost."""
    return _timed(text) if len(text) <= LONG_TEXT else await _in_thread(_timed, text)


def _timed(text: str) -> tuple[Live, float]:
    began = thread_time()
    return render_live(text), thread_time() - began


def _highlight_all(missing: Iterable[Wanted]) -> None:
    """Highlight blocks of code. Call it in a thread: a long block takes 76 ms."""
    for language, code in missing:
        highlight(language, code)


async def _in_thread(step: Callable[[A], T], argument: A) -> T:
    return await asyncio.get_running_loop().run_in_executor(executor(), giving_way, step, argument)
