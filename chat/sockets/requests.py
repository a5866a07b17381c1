"""Requests of a socket: a coroutine for each kind of frame, which pushes its frames to the client.

A new kind is a frame in ``received`` and a handler registered by ``@handles``: here those of the AI SDK's protocol, in
``page_requests`` those that our own page adds.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from functools import partial
from typing import Any

from django.db import Error as DatabaseError
from django.utils import timezone

from ..chunks import Chunk, ConversationData, ConversationTitle, Start
from ..conf import conf
from ..db.answers import last_answer
from ..db.threads import in_database
from ..db.values import Ask, Regenerate, Turn
from ..engine.engine import Engine
from ..engine.start import begin
from ..errors import Refusal
from ..events import Event
from ..html.language import spoken
from ..models import Message
from ..owners import Owner
from ..streams.base import LostStreamError
from .following import Shown, follow_html, follow_text, missed, shown_of
from .received import After, Asked, Resume, Send, question
from .sent import chunk_frame, chunk_prefix, error_frame, frame

logger = logging.getLogger(__name__)


class GoneError(Exception):
    """The client has gone, and takes no more frames."""


class Request:
    """One request of a socket, being answered. ``stop`` may come at any time, even before the answer is known.

    Raises ``BadFrameError`` or ``Refusal`` for a question that is none.
    """

    def __init__(self, engine: Engine, owner: Owner, asked: Asked, send: Callable[[str], Awaitable[None]]) -> None:
        self.engine = engine
        self.owner = owner
        self.id = asked.request_id
        self.language = language_of(asked)
        self.question = question(asked, engine.max_message_length) if isinstance(asked, Send) else None
        self._send = send
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
        """Know the answer that a stop is meant for."""
        self._answer = answer
        if self._stopped:
            self.engine.stop(answer)

    async def serve(self, handler: "Handler", asked: Asked) -> None:
        """Run a handler. Its failure becomes an ``error`` frame; the details are logged."""
        try:
            try:
                await handler(self, asked)
                return
            except GoneError:
                raise
            except Refusal as refusal:
                code = refusal.code
            except LostStreamError:
                code = "lost"
            except DatabaseError:
                logger.exception("A request failed in the database.")
                code = "storage"
            except Exception:
                logger.exception("A request failed.")
                code = "internal"
            await self._send(error_frame(self.id, code, self.language))
        except GoneError:
            logger.debug("A client left mid-answer.")

    async def start(self) -> None:
        """Send that the request is accepted."""
        await self._send(frame("start", self.id))

    async def push(self, chunks: Iterable[Chunk]) -> None:
        """Send chunks, numbered from where the last ones ended."""
        prefix = self._prefix = self._prefix or chunk_prefix(self.id)
        for chunk in chunks:
            await self._send(chunk_frame(prefix, self._next, chunk, self.language))
            self._next += 1

    async def push_from(self, first: int, chunks: Iterable[Chunk]) -> None:
        """Send chunks of which the first has the number ``first`` in its stream."""
        prefix = self._prefix = self._prefix or chunk_prefix(self.id)
        for number, chunk in enumerate(chunks, first):
            await self._send(chunk_frame(prefix, number, chunk))

    async def end(self) -> None:
        """Send that nothing follows."""
        await self._send(frame("end", self.id))

    async def end_inactive(self) -> None:
        """Send that there is nothing to resume."""
        await self._send(frame("no-active", self.id))

    async def show(self, shown: Shown, *opening: Chunk) -> None:
        """Send a branch in the ``html`` format, follow its running answer, and end the request."""
        await self.push([*opening, *shown.messages])
        if (answer := shown.followed) is not None:
            stream, spawn = self.engine.stream_of(answer), self.engine.tasks.spawn_for_socket
            await follow_html(answer, stream, shown.after, self.language, self.push, spawn)
        await self.end()

    async def show_text(self, answer: Message, after: int = -1) -> None:
        """Follow an answer in the ``text`` format above the number ``after``, and end the request."""
        await follow_text(answer, self.engine.stream_of(answer), after, self.push_from)
        await self.end()


def language_of(asked: Asked) -> str:
    """Return the language of a request's page; empty in the ``text`` format, where sentences are fixed."""
    if isinstance(asked, Send | Resume) and asked.body.view == "text":
        return ""
    return spoken(asked.body.language)


Handler = Callable[[Request, Any], Coroutine[Any, Any, None]]

HANDLERS: dict[type, Handler] = {}
"""The handler of each kind of frame."""


def handles(kind: type) -> Callable[[Handler], Handler]:
    """Register the handler of a kind of frame."""
    return lambda handler: HANDLERS.setdefault(kind, handler)


@handles(Send)
async def send(request: Request, asked: Send) -> None:
    """Store a question, start the answer, and follow it."""
    new, html = request.question, asked.body.view == "html"
    turn = await begin(request.engine, _turn_asked(request, asked), request.follows)
    if turn.turned:
        request.engine.events.publish(request.owner.key, Event.branch_selected(asked.id, turn.answer))
    if not html:
        await request.show_text(turn.answer)
        return
    placed = new is None or new.id == asked.message_id
    render = partial(shown_of, turn.shown, request.language, follow=True, placed=placed)
    # A turn that was found may have long answers below it, because the page may have missed them.
    shown = render() if turn.fresh else await asyncio.to_thread(render)
    if shown.followed is not None:
        request.follows(shown.followed)
    await request.show(shown, Start(turn.answer.uid), _title(turn))


def _turn_asked(request: Request, asked: Send) -> Ask | Regenerate:
    new, body, html = request.question, asked.body, asked.body.view == "html"
    if new is None:
        return Regenerate(request.owner, asked.id, asked.message_id, body.attempt, body.continue_, html)
    return Ask(request.owner, asked.id, new.id, new.text, asked.message_id == new.id, body.attempt, html)


def _title(turn: Turn) -> ConversationTitle:
    return ConversationTitle(ConversationData(turn.conversation.uid, turn.conversation.title))


@handles(Resume)
async def resume(request: Request, asked: Resume) -> None:
    """Follow what runs, and in the ``html`` format send everything that the page is missing."""
    if asked.body.view == "html":
        await _resume_html(request, asked)
    else:
        await _resume_text(request, asked)


async def _resume_text(request: Request, asked: Resume) -> None:
    async with request.engine.locks[request.owner, asked.id]:
        answer = await in_database(last_answer, request.owner, asked.id)
    # A client that has a part of the answer gets the rest, however long ago the answer ended.
    begun = answer is not None and asked.body.message_id == answer.uid and asked.last_sequence is not None
    if answer is None or not (begun or _is_recent(request.engine, answer)):
        await request.end_inactive()
        return
    request.follows(answer)
    await request.start()
    await request.show_text(answer, asked.last_sequence if begun and asked.last_sequence is not None else -1)


def _is_recent(engine: Engine, answer: Message) -> bool:
    """Return whether there is something to resume: an answer that ended a moment ago is still replayed."""
    if engine.stream_of(answer) is not None:
        return True
    ended = answer.ended_at
    # Absolute: the clock may have been set back, and that of the process that ended it may be ahead.
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
