"""Asks one question of the Python API: checks it, begins its turn like that of any visitor, and follows the answer."""

import asyncio
import logging
import secrets
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from django.db import Error as DatabaseError
from django.db.models import Model
from msgspec import to_builtins

from ..answer import Answer
from ..assistants.about import signed, subject_of
from ..assistants.discovery import name_of, registry
from ..chunks import Chunk, Closing
from ..db.conversations import delete, own
from ..db.replay import parts_of
from ..db.sources import sources_by_part
from ..db.threads import in_database
from ..db.values import Ask, Subject
from ..endings import CUT, INTERRUPTED, Ending, by_chunk, failed
from ..errors import Refusal
from ..models import Conversation, Message
from ..owners import SERVER, UNKEPT_KEY, Owner, key_of
from ..parts import TOOL, TextDelta, TextStart, text_of
from ..streams.base import LostStreamError
from ..text import acceptable
from .announcing import until_announced
from .engine import Engine
from .run import Run
from .start import begin

logger = logging.getLogger(__name__)

Tell = Callable[[str], None]
"""Is called with each piece of the answer's text."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, as the Python API describes it."""

    assistant: str
    text: str
    user: Any = None
    about: Model | None = None
    conversation: str | None = None
    returns: Any = None
    keep: bool = True
    language: str = ""
    timeout: float | None = None

    def __post_init__(self) -> None:
        for name in ("assistant", "text"):
            if not isinstance(value := getattr(self, name), str):
                raise TypeError(f"{name} must be a string, got {value!r}.")
        if self.user is not None:
            check_user(self.user)
        if self.about is not None and (not isinstance(self.about, Model) or self.about.pk is None):
            raise TypeError(f"about must be an object that is stored, got {self.about!r}.")
        if self.conversation is not None and not self.keep:
            raise ValueError("keep=False cannot continue a conversation: it would delete what was kept.")

    def owner(self, process: str) -> tuple[Owner, str]:
        """Return the owner of the conversation, and the ``uid`` of a new one. ``process`` is the one that asks."""
        uid, user_id = secrets.token_urlsafe(9), None if self.user is None else self.user.pk
        if not self.keep:
            return Owner(UNKEPT_KEY, user_id), f"{process}-{uid}"
        return (SERVER if user_id is None else Owner(key_of(user_id), user_id)), uid


def check_user(user: Any) -> None:
    """Raise ``TypeError`` if this is not a stored user, such as ``request.user`` of a visitor without an account."""
    if not getattr(user, "is_authenticated", False) or user.pk is None:
        raise TypeError(f"user must be a user that is stored, or None, got {user!r}.")


def check_assistant(name: str) -> None:
    """Raise ``Refusal`` if the site has no assistant of this name."""
    if registry.get(name) is None:
        there = ", ".join(f'"{name_of(found)}"' for found in registry.offered)
        raise Refusal("forbidden", f'There is no assistant "{name}". There are: {there}.')


class Asking:
    """One question, being answered. If ``answer`` is cancelled, the answer is stopped.

    Args:
        engine: the engine that answers.
        question: the question.
        tell: is called with each piece of the answer's text, on the engine's loop.
    """

    def __init__(self, engine: Engine, question: Question, tell: Tell = lambda _: None) -> None:
        self._engine = engine
        self._question = question
        self._tell = tell
        self._run: asyncio.Future[Run] = engine.loop.create_future()
        self._left = asyncio.Event()
        """Set when nobody waits for the answer any more."""
        self._chunks: list[Chunk] = []
        self._forgetting: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def answer(self) -> Answer:
        """Ask, and return the answer. Raises ``Refusal``, ``ImproperlyConfigured`` and ``django.db.Error``."""
        try:
            await begin(self._engine, await self._asked(), self._begun)
            run = await self._run
            return await self._answer(run, await self._follow(run))
        except asyncio.CancelledError:
            self._left.set()
            self._stop()
            raise
        finally:
            self._left.set()
            if self._timer is not None:
                self._timer.cancel()
            if self._forgetting is not None:
                await asyncio.shield(self._forgetting)

    async def _asked(self) -> Ask:
        """Check the question, and return the request for its turn. Raises ``Refusal``."""
        question = self._question
        check_assistant(question.assistant)
        text = acceptable(question.text, self._engine.max_message_length(question.assistant))
        owner, uid = question.owner(self._engine.process)
        subject = subject_of(question.assistant, question.about)
        if question.conversation is not None:
            uid = question.conversation
            subject = _same(subject, await in_database(own, owner, uid))
        about = signed(subject, owner.digest)
        message = secrets.token_urlsafe(9)
        return Ask(owner, uid, message, text, language=question.language, assistant=subject.assistant, about=about)

    def _begun(self, answer: Message) -> None:
        """Take the run that has begun, in the same step of the loop."""
        run = self._engine.runs[answer.pk]
        self._run.set_result(run)
        if not self._question.keep:
            self._forgetting = self._engine.tasks.spawn(self._forget(run))
        if self._left.is_set():
            self._stop()
        elif self._question.timeout is not None:
            self._timer = self._engine.loop.call_later(self._question.timeout, _give_up, run)

    def _stop(self) -> None:
        if self._run.done() and not self._run.cancelled():
            self._engine.stop(self._run.result().turn.answer)

    async def _follow(self, run: Run) -> Ending:
        """Follow the answer, and return how it ended."""
        texts = 0
        try:
            async with aclosing(run.stream.follow()) as batches:
                async for batch in batches:
                    self._chunks += batch.chunks
                    for chunk in batch.chunks:
                        if isinstance(chunk, TextStart):
                            texts += 1
                            if texts > 1:
                                self._tell("\n\n")  # as the texts of the stored answer are joined
                        elif isinstance(chunk, TextDelta):
                            self._tell(chunk.delta)
        except LostStreamError:  # taken over by another process, or deleted
            return INTERRUPTED
        last = self._chunks[-1]
        return by_chunk(last) if isinstance(last, Closing) else INTERRUPTED

    async def _answer(self, run: Run, ending: Ending) -> Answer:
        """Return the answer as it is stored, or as it was followed, if it is not stored yet or is gone."""
        await run.over.wait()
        try:
            found = await in_database(_content, run.answer_id)
        except DatabaseError:
            found = None
        if found is None:
            parts = parts_of(self._chunks)
            found = Content(text_of(parts), tuple(map(to_builtins, parts)))
        return Answer(
            ending.status,
            found.text,
            found.parts,
            found.sources,
            found.usage,
            run.turn.conversation.uid if self._question.keep else None,
            ending.error,
        )

    async def _forget(self, run: Run) -> None:
        """Delete the conversation when its answer has ended and nobody reads it any more."""
        await run.over.wait()
        await until_announced(run.answer_id)
        await self._left.wait()
        try:
            await in_database(delete, Conversation.objects.filter(pk=run.turn.conversation.pk))
        except DatabaseError:
            logger.exception("A conversation that is not kept could not be deleted: it is when this process has ended.")


def _same(subject: Subject, conversation: Conversation | None) -> Subject:
    """Return the subject of a conversation to continue. Raises ``Refusal`` if it is gone or has another one."""
    if conversation is None:
        raise Refusal("gone")
    stored = Subject.of(conversation)
    if stored.assistant != subject.assistant:
        raise Refusal("conflict", f'The conversation is one with the assistant "{stored.assistant}".')
    if subject.about_key and stored != subject:
        raise Refusal("conflict", f"The conversation is about another object: {stored.about_model} {stored.about_key}.")
    return stored


def _give_up(run: Run) -> None:
    """End an answer that has taken too long for its caller, as one that has taken too long for the site."""
    run.end(CUT if run.draft.length else failed("timeout"))


@dataclass(frozen=True, slots=True)
class Content:
    """What an answer contains."""

    text: str
    parts: tuple[dict[str, Any], ...]
    sources: tuple[dict[str, Any], ...] = ()
    usage: dict[str, Any] | None = None


def _content(answer_id: int) -> Content | None:
    """Return the content of a stored answer; ``None`` if it is gone, or not stored to its end yet. Queries."""
    message = Message.objects.filter(pk=answer_id).first()
    if message is None or message.status == Message.Status.RUNNING:
        return None
    sources = tuple(to_builtins(source) for found in sources_by_part(message) for source in found)
    return Content(message.text, tuple(_part(message, part) for part in message.parts), sources, message.usage)


def _part(message: Message, part: dict[str, Any]) -> dict[str, Any]:
    if part["type"] != TOOL:
        return part
    call = message.calls.get(part["call"])
    names = ("name", "input", "state", "output", "error")
    return {"type": TOOL, **({name: getattr(call, name) for name in names} if call else {})}
