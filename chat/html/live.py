"""Renders growing answers as HTML, once per answer and process; each reader receives only what changed for it."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

from ..chunks import (
    RECONNECTING,
    WAITING,
    Chunk,
    Closing,
    NextRun,
    PartDelta,
    PartEnd,
    PartStart,
    SourceUrl,
    Status,
    ToolInput,
    ToolQuestion,
)
from ..conf import conf
from ..endings import Ending, by_chunk
from ..models import Message
from ..parts import started_by
from ..sources import AnswerSource, source_of
from ..streams.base import Stream
from .calls import NOWHERE, CallConversation
from .live_calls import CallChunk, LiveCall
from .live_parts import LivePart
from .message_chunks import (
    message_chunk,
    message_end_chunk,
    part_chunk,
    part_end_chunk,
    sources_chunk,
)
from .messages import MessageView, message_view

DUTY = 25
"""After a rendering comes a pause of this many times its cost, so an answer takes at most 4 % of a core."""

LONG_TEXT, LONG_PAUSE = 8_000, 0.07
"""Updates of an answer with more characters are at least this many seconds apart, because each takes a browser longer.

With an update each 40 ms, the page of an answer of 50,000 characters was busy 7 % longer than with one each 60 ms
(``make bench-page``).
"""

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


class Rendering:
    """The HTML of one stream, kept up to date while it has readers."""

    _by_stream: ClassVar[dict[Stream, "Rendering"]] = {}

    def __init__(self, stream: Stream, spawn: Spawn, conversation: CallConversation) -> None:
        self.parts: list[LivePart | LiveCall] = []
        self.sources: tuple[AnswerSource, ...] = ()
        self.status: Status | None = None
        self.ending: Ending | None = None
        self.begun = asyncio.Event()
        self.version = 0
        self._over = False
        """Whether the stream has been followed to its end, or following it has failed."""
        self._ending: Ending | None = None
        self._conversation = conversation
        self._readers = 0
        self._waiting: list[tuple[asyncio.Future[None], Callable[[], bool]]] = []
        self._task = spawn(self._follow(stream))

    @classmethod
    @contextmanager
    def of(cls, stream: Stream, spawn: Spawn, conversation: CallConversation = NOWHERE) -> Iterator["Rendering"]:
        """Share the rendering of a stream between its readers; it ends when the last one leaves.

        ``spawn`` starts its task, which must not inherit the context of the first reader. ``conversation`` is that of
        the answer.
        """
        rendering = cls._by_stream.get(stream)
        if rendering is None:
            rendering = cls._by_stream[stream] = cls(stream, spawn, conversation)
        rendering._readers += 1
        try:
            yield rendering
        finally:
            rendering._readers -= 1
            if not rendering._readers:
                rendering._task.cancel()
                del cls._by_stream[stream]

    async def changed(self, version: int, step: Callable[[], bool] = lambda: False) -> None:
        """Wait until the rendering is newer than ``version``, and ``step`` does not take the change.

        ``step`` is called with each change but the end, and returns whether it has sent it, without waiting. This costs
        less than waking the reader's task.

        Raises what ``step`` raises, the rendering's own exception if it failed, and ``RuntimeError`` if the stream
        closed without an ending.
        """
        if self.version != version:
            return
        if self._task.done():
            self._task.result()
            raise RuntimeError("The stream was closed without an ending.")
        more: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((more, step))
        await more

    async def _follow(self, stream: Stream) -> None:
        try:
            async for batch in stream.follow():
                for chunk in batch.chunks:
                    self._apply(chunk)
                if stream.delayed != (self.status is RECONNECTING):
                    self.status = RECONNECTING if stream.delayed else WAITING
                cost = sum([await part.render() for part in self.parts])
                self.ending = self._ending
                self.begun.set()
                self._notify()
                pause = max(DUTY * cost, LONG_PAUSE if sum(part.length for part in self.parts) > LONG_TEXT else 0.0)
                if pause > conf.tick and self.ending is None:
                    await stream.closed_within(pause)
        finally:
            self._over = True
            self.begun.set()
            self._notify()

    def _apply(self, chunk: Chunk) -> None:
        if isinstance(chunk, PartDelta | PartEnd):
            self._apply_to_text(self.parts[int(chunk.id)], chunk)
        elif isinstance(chunk, PartStart) and (kind := started_by(chunk)):
            self.parts.append(LivePart(len(self.parts), kind, chunk.started, self.sources))
        elif isinstance(chunk, Status):
            self.status = chunk
        elif isinstance(chunk, Closing):
            self._ending = by_chunk(chunk)
        elif isinstance(chunk, ToolInput):
            self.parts.append(LiveCall(len(self.parts), chunk, self._conversation))
        elif isinstance(chunk, SourceUrl):
            self.sources += (source_of(chunk),)
        elif isinstance(chunk, CallChunk):
            uid = chunk.data.call if isinstance(chunk, ToolQuestion) else chunk.tool_call_id
            for part in self._calls:
                if part.uid == uid:
                    part.take(chunk)
        elif isinstance(chunk, NextRun):
            for part in self._calls:
                part.go_on()

    @property
    def _calls(self) -> list[LiveCall]:
        return [part for part in self.parts if isinstance(part, LiveCall)]

    @staticmethod
    def _apply_to_text(part: LivePart | LiveCall, chunk: PartDelta | PartEnd) -> None:
        if isinstance(part, LiveCall):  # the ids of texts are never those of calls
            return
        if isinstance(chunk, PartDelta):
            part.grow(chunk.delta)
        else:
            part.end(chunk.seconds)

    def _notify(self) -> None:
        """Let the readers that wait send the change at once, and wake those that cannot."""
        self.version += 1
        waiting, self._waiting = self._waiting, []
        for more, step in waiting:
            if more.done():  # the reader was cancelled while it waited
                continue
            try:
                if self.ending is None and not self._over and step():
                    self._waiting.append((more, step))
                else:
                    more.set_result(None)
            except Exception as error:  # the other readers must not fail with this one
                more.set_exception(error)


class HtmlReader:
    """One reader of a rendering: it remembers what its page shows and computes the changes, in the page's language.

    ``take`` sends chunks at once, as far as the client need not be waited for, and returns how many.
    """

    def __init__(
        self,
        message: Message,
        after: str | None,
        rendering: Rendering,
        language: str | None = None,
        take: Callable[[Sequence[Chunk]], int] | None = None,
    ) -> None:
        self._message = message
        self._after = after
        self._rendering = rendering
        self._language = language
        self._shown: list[Sequence[str]] = []
        self._known: list[int] = []
        self._running: set[int] = set()
        """The parts that the page shows as running."""
        self._sources: tuple[AnswerSource, ...] = ()
        """The sources that the page lists."""
        self._status: Status | None = None
        self._provisional = False
        self._take = take
        self._left: list[Chunk] = []
        """Chunks that were not taken."""

    async def chunks(self) -> AsyncGenerator[list[Chunk], None]:
        """Yield the message as it is now, its changes that were not taken, and its end.

        A slow reader gets fewer and larger changes.
        """
        rendering = self._rendering
        await rendering.begun.wait()
        version, ending = rendering.version, rendering.ending
        yield [self._whole(), *self._status_changes()]
        while ending is None:
            await rendering.changed(version, self._step)  # returns at once if something changed meanwhile
            version, ending = rendering.version, rendering.ending
            if ready := [*self._left, *self._new()]:
                self._left = []
                yield ready
        yield [message_end_chunk(self._view(), ending, self._language), ending.chunk]

    def _step(self) -> bool:
        """Send what is new at once; return ``False`` if there is more than the connection takes."""
        if self._take is None:
            return False
        if ready := list(self._new()):
            self._left = ready[self._take(ready) :]
        return not self._left

    def _new(self) -> Iterator[Chunk]:
        """Yield what the page lacks."""
        yield from self._correction()
        yield from self._status_changes()
        yield from self._changes()

    def _whole(self) -> Chunk:
        parts = self._rendering.parts
        self._shown = [part.blocks for part in parts]
        self._known = [len(part.blocks) for part in parts]  # the page has DOM nodes for these, no source
        self._running = {part.index for part in parts if part.running}
        self._sources = self._rendering.sources
        # While the stream cannot be read, the last checkpoint is better than an empty answer.
        self._provisional = not parts and self._rendering.status is RECONNECTING
        view = message_view(self._message) if self._provisional else self._view()
        return message_chunk(view, after=self._after, language=self._language)

    def _correction(self) -> Iterator[Chunk]:
        if self._provisional and self._rendering.parts:
            yield self._whole()

    def _status_changes(self) -> Iterator[Chunk]:
        if self._rendering.status is not self._status:
            self._status = self._rendering.status
            if self._status is not None:
                yield self._status

    def _changes(self) -> Iterator[Chunk]:
        uid = self._message.uid
        if self._sources is not self._rendering.sources:
            self._sources = self._rendering.sources
            yield sources_chunk(uid, self._sources, self._language)
        for part in self._rendering.parts:
            if isinstance(part, LiveCall):
                yield from self._call_changes(part)
                continue
            if part.index == len(self._shown):
                self._shown.append(())
                self._known.append(0)
                self._running |= {part.index} if part.running else set()
                yield part_chunk(uid, part.shell(), self._language)
            shown = tuple(self._shown[part.index])
            if shown is part.blocks:
                continue
            patches, self._known[part.index] = part.changes(uid, shown, self._known[part.index])
            self._shown[part.index] = part.blocks
            yield from patches
        yield from self._ends()

    def _call_changes(self, part: LiveCall) -> Iterator[Chunk]:
        if part.index == len(self._shown):
            self._shown.append(())
            self._known.append(0)
        if self._shown[part.index] is not part.blocks:
            self._shown[part.index] = part.blocks
            yield part.chunk(self._message.uid, self._language)

    def _ends(self) -> Iterator[Chunk]:
        for index in sorted(self._running):
            part = self._rendering.parts[index]
            if not part.running:
                self._running.discard(index)
                yield part_end_chunk(self._message.uid, part.shell(), self._language)

    def _view(self) -> MessageView:
        return message_view(self._message, [part.view() for part in self._rendering.parts], self._rendering.sources)
