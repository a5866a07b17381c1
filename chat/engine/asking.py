"""Asks one question of the Python API: checks it, begins its turn like that of any visitor, and follows the answer."""

import asyncio
import logging
import secrets
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from math import inf
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseError
from django.db.models import Model
from django.utils.translation import get_supported_language_variant
from msgspec import to_builtins

from ..answer import Answer
from ..assistants.about import signed, subject_of
from ..assistants.discovery import backends_of, name_of, registry
from ..chunks import Chunk, Closing
from ..db.conversations import delete, own
from ..db.replay import parts_of
from ..db.sources import sources_by_part
from ..db.threads import in_database
from ..db.values import Ask, Subject
from ..endings import COMPLETE, CUT, INTERRUPTED, Ending, by_chunk, failed
from ..errors import Refusal
from ..models import Conversation, Message
from ..owners import SERVER, UNKEPT_KEY, Owner, key_of
from ..parts import TOOL, TextDelta, TextStart, ToolPart, is_text, text_of
from ..streams.base import LostStreamError
from ..text import acceptable
from .announcing import until_announced
from .engine import Engine
from .returns import Form, form_of
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
    form: Form | None = field(init=False, default=None)
    """That of the value that is to be returned."""

    def __post_init__(self) -> None:
        check_argument("assistant", self.assistant)
        check_argument("text", self.text)
        check_user(self.user, optional=True)
        check_object(self.about)
        check_language(self.language)
        check_timeout(self.timeout)
        if self.conversation is not None and not self.keep:
            raise ValueError("keep=False cannot continue a conversation: it would delete what was kept.")
        if self.returns is not None:
            object.__setattr__(self, "form", form_of(self.returns))

    def owner(self, process: str) -> tuple[Owner, str]:
        """Return the owner of the conversation, and the ``uid`` of a new one. ``process`` is the one that asks."""
        uid, user_id = secrets.token_urlsafe(9), None if self.user is None else self.user.pk
        if not self.keep:
            return Owner(UNKEPT_KEY, user_id), f"{process}-{uid}"
        return (SERVER if user_id is None else Owner(key_of(user_id), user_id)), uid


def check_argument(name: str, value: object) -> None:
    """Raise ``TypeError`` if an argument is not a string."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, got {value!r}.")


def check_object(about: object) -> None:
    """Raise ``TypeError`` if this is neither ``None`` nor a stored object."""
    if about is not None and (not isinstance(about, Model) or about.pk is None):
        raise TypeError(f"about must be an object that is stored, got {about!r}.")


def check_user(user: Any, *, optional: bool = False) -> None:
    """Raise ``TypeError`` if this is not a stored user, such as ``request.user`` of a visitor without an account."""
    if user is None and optional:
        return
    if not getattr(user, "is_authenticated", False) or user.pk is None:
        expected = "a user that is stored, or None" if optional else "a user that is stored"
        raise TypeError(f"user must be {expected}, got {user!r}.")


def check_language(language: object) -> None:
    """Raise ``TypeError`` if this is not a string, ``ValueError`` if it is no language of the site."""
    check_argument("language", language)
    if not language:
        return
    try:
        get_supported_language_variant(str(language))
    except LookupError:
        raise ValueError(f"language must be one of LANGUAGES in the site's settings, got {language!r}.") from None


def check_timeout(timeout: object) -> None:
    """Raise ``TypeError`` or ``ValueError`` if this is neither ``None`` nor a positive number of seconds."""
    if timeout is None:
        return
    if not isinstance(timeout, int | float) or isinstance(timeout, bool):
        raise TypeError(f"timeout must be a number of seconds, or None, got {timeout!r}.")
    if not 0 < timeout < inf:
        raise ValueError(f"timeout must be a positive number of seconds, or None, got {timeout!r}.")


def check_assistant(name: str) -> None:
    """Raise ``Refusal`` if the site has no assistant of this name."""
    if registry.get(name) is None:
        names = {name_of(found) for found in (registry.default, *registry.defined)}
        there = ", ".join(f'"{found}"' for found in sorted(names))
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
        if question.form is not None:
            self._check_backends()
        owner, uid = question.owner(self._engine.process)
        subject = subject_of(question.assistant, question.about)
        if question.conversation is not None:
            uid = question.conversation
            subject = same_subject(subject, await in_database(own, owner, uid))
        about = signed(subject, owner.digest)
        message = secrets.token_urlsafe(9)
        return Ask(
            *(owner, uid, message, text),
            language=question.language,
            assistant=subject.assistant,
            about=about,
            returns=question.form.schema if question.form else None,
        )

    def _check_backends(self) -> None:
        """Raise ``ImproperlyConfigured`` if a backend of the assistant cannot ask its model for a value."""
        assistant = registry.get(self._question.assistant) or registry.default
        for alias, backend in self._engine.backends.named(backends_of(assistant)):
            if not backend.structured:
                raise ImproperlyConfigured(
                    f'The backend "{alias}" of the assistant "{name_of(assistant)}" cannot return a value: '
                    f"{type(backend).__name__}.structured is False."
                )

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
        try:
            async with aclosing(run.stream.follow()) as batches:
                async for batch in batches:
                    for chunk in batch.chunks:
                        self._hear(chunk)
        except LostStreamError:  # taken over by another process, or deleted
            return INTERRUPTED
        last = self._chunks[-1]
        return by_chunk(last) if isinstance(last, Closing) else INTERRUPTED

    def _hear(self, chunk: Chunk) -> None:
        if isinstance(chunk, TextDelta):
            self._tell(chunk.delta)
        elif isinstance(chunk, TextStart) and any(isinstance(before, TextStart) for before in self._chunks):
            self._tell("\n\n")  # as the texts of the stored answer are joined
        self._chunks.append(chunk)

    async def _answer(self, run: Run, ending: Ending) -> Answer:
        """Return the answer as it is stored, or as it was followed, if it is not stored yet or is gone."""
        await run.over.wait()
        try:
            found = await in_database(_content, run.answer_id)
        except DatabaseError:
            found = None
        if found is None:
            parts = [part for part in parts_of(self._chunks) if not isinstance(part, ToolPart)]
            found = Content(text_of(parts), tuple(map(to_builtins, parts)))
        uid = run.turn.conversation.uid if self._question.keep else None
        content = found.text, found.parts, found.sources, found.usage, uid
        form = self._question.form
        if form is None or ending.status != COMPLETE.status:
            return Answer(ending.status, *content, ending.error)
        # The provider may have filtered the reply of an answer that counts as complete.
        value = await form.read(_last_text(found.parts)) if ending is COMPLETE else None
        if value is None:
            return Answer("failed", *content, "format")
        return Answer(ending.status, *content, value=value)

    async def _forget(self, run: Run) -> None:
        """Delete the conversation when its answer has ended and nobody reads it any more."""
        await run.over.wait()
        await until_announced(run.answer_id)
        await self._left.wait()
        try:
            await in_database(delete, Conversation.objects.filter(pk=run.turn.conversation.pk))
        except DatabaseError:
            logger.exception("A conversation that is not kept could not be deleted: it is when this process has ended.")


def same_subject(subject: Subject, conversation: Conversation | None) -> Subject:
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


def _last_text(parts: tuple[dict[str, Any], ...]) -> str:
    """Return the last text of an answer: the model may have written others before it called tools."""
    return next((part["text"] for part in reversed(parts) if is_text(part)), "")


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
