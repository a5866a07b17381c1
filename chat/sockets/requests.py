"""Requests of a socket: a handler for each kind of frame, which pushes its answer to the client.

A new kind of request is a frame in ``received`` and a coroutine that ``@handles`` registers: here those of the AI SDK's
protocol, in ``page_requests`` those that the bundled page adds.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from django.db import Error as DatabaseError
from django.utils import timezone

from ..assistants.buttons import pressed, read
from ..chunks import Chunk, ConversationData, ConversationTitle, Start
from ..conf import conf
from ..db.answers import last_answer
from ..db.decisions import Decide as Decisions
from ..db.decisions import Decision
from ..db.threads import in_database
from ..db.values import Ask, Regenerate, Turn
from ..engine.decide import decide as carry_out
from ..engine.engine import Engine
from ..engine.start import begin
from ..errors import Refusal
from ..events import Event
from ..html.language import spoken
from ..models import Message
from ..owners import Owner
from ..streams.base import LostStreamError
from .following import Shown, follow_decided, follow_html, follow_text, missed, shown_of
from .received import After, Asked, Body, Decide, Press, Question, Resume, Send, content
from .sent import chunk_frame, chunk_prefix, error_frame, frame

logger = logging.getLogger(__name__)


class GoneError(Exception):
    """The client is gone, so nothing more can be sent."""


Write = Callable[[str], bool]
"""Writes a frame if the connection takes it without waiting; returns whether it does."""


def never(_: str) -> bool:
    """Write nothing: for connections that cannot tell whether they have to wait."""
    return False


class Request:
    """One request of a socket, being answered. ``stop`` may be called at any time, even before the answer is known.

    Creating one raises ``BadFrameError`` or ``Refusal`` if its question is not acceptable.

    Args:
        engine: the engine of this process.
        owner: the owner of the socket.
        asked: the frame.
        send: sends a frame; it waits while the client does not read.
        write: sends a frame at once, if that is possible.
    """

    def __init__(
        self,
        engine: Engine,
        owner: Owner,
        asked: Asked,
        send: Callable[[str], Awaitable[None]],
        write: Write = never,
        network: str = "",
    ) -> None:
        self.engine = engine
        self.owner = owner
        self.network = network
        self.id = asked.request_id
        self.language = asked.page_language
        self.content: Question | list[Decision] | None = None
        if isinstance(asked, Send):
            self.content = content(asked, engine.max_message_length(asked.body.assistant))
        self._send = send
        self._write = write
        self._prefix = ""
        self._next = 0
        self._answer: Message | None = None
        self._stopped = False

    def stop(self) -> None:
        """Stop the answer that this request follows."""
        self._stopped = True
        if self._answer is not None:
            self.engine.stop(self._answer)

    def follows(self, answer: Message) -> None:
        """Set the answer that ``stop`` applies to, and stop it if that was called before."""
        self._answer = answer
        if self._stopped:
            self.engine.stop(answer)

    async def serve(self, handler: "Handler", asked: Asked) -> None:
        """Run a handler. If it fails, send an ``error`` frame; the details are only logged."""
        try:
            try:
                await handler(self, asked)
                return
            except GoneError:
                raise
            except Refusal as error:
                refusal = error
            except LostStreamError:
                refusal = Refusal("lost")
            except DatabaseError:
                logger.exception("A request failed in the database.")
                refusal = Refusal("storage")
            except Exception:
                logger.exception("A request failed.")
                refusal = Refusal("internal")
            await self._send(error_frame(self.id, refusal, self.language))
        except GoneError:
            logger.debug("A client left mid-answer.")

    async def start(self) -> None:
        """Send the frame that says that the request is accepted."""
        await self._send(frame("start", self.id))

    async def push(self, chunks: Iterable[Chunk]) -> None:
        """Send chunks, numbered on from those that were sent before."""
        prefix = self._prefix = self._prefix or chunk_prefix(self.id)
        for chunk in chunks:
            await self._send(chunk_frame(prefix, self._next, chunk, self.language))
            self._next += 1

    async def push_from(self, first: int, chunks: Iterable[Chunk]) -> None:
        """Send chunks, numbered from ``first`` on, as in their stream."""
        prefix = self._prefix = self._prefix or chunk_prefix(self.id)
        for number, chunk in enumerate(chunks, first):
            await self._send(chunk_frame(prefix, number, chunk))

    def take_from(self, first: int, chunks: Sequence[Chunk]) -> int:
        """Send chunks, numbered as in their stream, until the client would have to be waited for; return how many."""
        prefix = self._prefix = self._prefix or chunk_prefix(self.id)
        for count, chunk in enumerate(chunks):
            if not self._write(chunk_frame(prefix, first + count, chunk)):
                return count
        return len(chunks)

    def take(self, chunks: Sequence[Chunk]) -> int:
        """Send chunks, numbered on from those before, until the client would have to be waited for; return how many."""
        prefix = self._prefix = self._prefix or chunk_prefix(self.id)
        for count, chunk in enumerate(chunks):
            if not self._write(chunk_frame(prefix, self._next, chunk, self.language)):
                return count
            self._next += 1
        return len(chunks)

    async def end(self) -> None:
        """Send the frame that ends the request."""
        await self._send(frame("end", self.id))

    async def end_inactive(self) -> None:
        """Send the frame that says that there is nothing to resume."""
        await self._send(frame("no-active", self.id))

    async def show(self, shown: Shown, *opening: Chunk) -> None:
        """Send a branch in the ``html`` format, follow its running answer, and end the request."""
        await self.push([*opening, *shown.messages])
        if (answer := shown.followed) is not None:
            stream, spawn = self.engine.stream_of(answer), self.engine.tasks.spawn_for_socket
            await follow_html(answer, stream, shown.after, self.language, self.push, spawn, self.take)
        await self.end()

    async def show_text(self, answer: Message, after: int = -1) -> None:
        """Follow an answer in the ``text`` format above the number ``after``, and end the request."""
        await follow_text(answer, self.engine.stream_of(answer), after, self.push_from, self.take_from)
        await self.end()

    async def show_rest(self, answer: Message, call: str) -> None:
        """Follow an answer from the decision about a call on, and end the request."""
        await follow_decided(answer, self.engine.stream_of(answer), call, self.push)
        await self.end()


Handler = Callable[[Request, Any], Coroutine[Any, Any, None]]

HANDLERS: dict[type, Handler] = {}
"""The handlers by the type of their frame."""


def handles(kind: type) -> Callable[[Handler], Handler]:
    """Register the decorated coroutine as the handler of a kind of frame."""
    return lambda handler: HANDLERS.setdefault(kind, handler)


@handles(Send)
async def send(request: Request, asked: Send) -> None:
    """Store a question, start the answer, and follow it."""
    new, body, html = request.content, asked.body, asked.body.view == "html"
    if isinstance(new, list):
        await _decide(request, asked, new, asked.message_id)
        return
    page: dict[str, Any] = {
        "whole": html,
        "language": spoken(body.language),
        "assistant": body.assistant,
        "about": body.about,
        "network": request.network,
    }
    wanted: Ask | Regenerate
    if new is None:
        wanted = Regenerate(request.owner, asked.id, asked.message_id, body.attempt, body.continue_, **page)
    else:
        edits = asked.message_id == new.id
        wanted = Ask(request.owner, asked.id, new.id, new.text, edits, body.attempt, **page)
    await _begin(request, wanted, placed=new is None or new.id == asked.message_id)


@handles(Press)
async def press(request: Request, asked: Press) -> None:
    """Store the press of a button as a question, carry it out, and follow the answer."""
    button = read(asked.value, request.owner.digest, asked.id, request.owner.former_digest)
    wanted = pressed(button, request.owner, spoken(asked.body.language), whole=asked.body.view == "html")
    await _begin(request, replace(wanted, network=request.network), placed=True)


async def _begin(request: Request, wanted: Ask | Regenerate, *, placed: bool) -> None:
    """Begin a turn, or find it, and follow its answer. A turn that is not ``placed`` comes last on the page."""
    turn = await begin(request.engine, wanted, request.follows)
    if turn.turned:
        request.engine.events.publish(request.owner.key, Event.branch_selected(wanted.uid, turn.answer))
    if not wanted.whole:
        await request.show_text(turn.answer)
        return
    render = partial(shown_of, turn.shown, request.language, follow=True, placed=placed)
    # A repeated request may find long answers below its turn, which the page has missed: rendering them takes long.
    shown = render() if turn.fresh else await asyncio.to_thread(render)
    if shown.followed is not None:
        request.follows(shown.followed)
    await request.show(shown, Start(turn.answer.uid), _title(turn))


@handles(Decide)
async def decide(request: Request, asked: Decide) -> None:
    """Store a decision about a call, and follow the answer as it goes on, if it does."""
    await _decide(request, asked, [Decision(asked.call_id, asked.approved, asked.reason)])


async def _decide(request: Request, asked: Send | Decide, decided: list[Decision], message: str | None = None) -> None:
    html = asked.body.view == "html"
    wanted = Decisions(request.owner, asked.id, decided, message, whole=html, network=request.network)
    turn = await carry_out(request.engine, wanted, request.follows)
    if html:
        running = turn.answer.status == Message.Status.RUNNING
        await request.show(await asyncio.to_thread(shown_of, turn.shown, request.language, follow=running))
    else:
        await request.show_rest(turn.answer, decided[0].call)


def _title(turn: Turn) -> ConversationTitle:
    return ConversationTitle(ConversationData(turn.conversation.uid, turn.conversation.title))


@handles(Resume)
async def resume(request: Request, asked: Resume) -> None:
    """Follow the running answer; in the ``html`` format, first send what the page is missing."""
    if asked.body.view == "html":
        await _resume_html(request, asked)
    else:
        await _resume_text(request, asked)


async def _resume_text(request: Request, asked: Resume) -> None:
    async with request.engine.locks[request.owner, asked.id]:
        answer = await in_database(last_answer, request.owner, asked.id)
    # A client that has part of the answer gets the rest, however long ago the answer ended.
    begun = answer is not None and asked.last_sequence is not None and _has_begun(asked.body, answer)
    if answer is None or not (begun or _is_recent(request.engine, answer)):
        await request.end_inactive()
        return
    request.follows(answer)
    await request.start()
    await request.show_text(answer, asked.last_sequence if begun and asked.last_sequence is not None else -1)


def _has_begun(body: Body, answer: Message) -> bool:
    """Tell whether a client has the beginning of an answer's stream: it must name the answer, and a later run of it."""
    return body.message_id == answer.uid and (body.run or 0) == answer.run


def _is_recent(engine: Engine, answer: Message) -> bool:
    """Tell whether an answer is running, waits, or ended less than ``CHAT["STREAM_RETENTION"]`` ago.

    Then it is replayed.
    """
    if answer.status == Message.Status.WAITING:
        return True
    if engine.stream_of(answer) is not None:
        return True
    ended = answer.ended_at
    # abs(), because the clock may have been set back, and another process's clock may be ahead.
    return ended is not None and abs((timezone.now() - ended).total_seconds()) < conf.stream_retention


async def _resume_html(request: Request, asked: Resume) -> None:
    last = asked.body.after or After()
    async with request.engine.locks[request.owner, asked.id]:
        shown = await in_database(missed, request.owner, asked.id, last.message, last.status, request.language)
    if shown is None:
        await request.end_inactive()
        return
    if shown.followed is not None:
        request.follows(shown.followed)
    await request.start()
    await request.show(shown)
