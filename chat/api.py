"""The Python API: what a site's own code asks, from a view, a task, a command or a shell.

Importing this needs neither Django's apps nor a model: the rest is imported with the first question.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from .answer import Answer
from .errors import ChatRefused, Refusal, sentence

if TYPE_CHECKING:
    from django.db.models import Model

    from .engine.background import Work

__all__ = ["Answer", "ChatRefused", "aask", "ask", "astream", "post"]

Tell = Callable[[str], None]


class Options(TypedDict, total=False):
    """What a question may be asked with.

    Attributes:
        user: the user whose conversation it is: it is in the user's list, and the assistant's hooks and tools have
            this user. ``None``: the conversation belongs to the site, and is in nobody's list.
        about: the object that a new conversation is about, as in ``{% chat "support" about=order %}``.
        conversation: the ``uid`` of a conversation of the same user to continue, such as ``Answer.conversation``;
            ``None`` for a new one.
        returns: the type of the value that the answer is to be, ``Answer.value``: a dataclass, a ``msgspec.Struct`` or
            a pydantic model. The model gets its JSON schema. ``None`` for text.
        keep: ``False`` to delete the conversation when it is answered. Nobody sees it meanwhile.
        language: a language code of the site's ``LANGUAGES``, such as ``"de"``, for the assistant's hooks; empty for
            the site's own.
        timeout: how long the answer may take, in seconds; then it is cut. ``None`` for ``CHAT["MAX_DURATION"]``.
    """

    user: Any
    about: "Model | None"
    conversation: str | None
    returns: Any
    keep: bool
    language: str
    timeout: float | None


def ask(assistant: str, text: str, **options: Unpack[Options]) -> Answer:
    """Ask an assistant, wait until its answer has ended, and return it. Blocks the thread.

    Args:
        assistant: the name of the assistant, such as ``"default"``.
        text: the question.
        **options: ``user``, ``about``, ``conversation``, ``returns``, ``keep``, ``language`` and ``timeout``, as
            ``Options`` describes them.

    Returns:
        The answer, also if it was cut, has failed or waits for a decision: ``Answer.status`` says so. One that is
        complete, but not of the form that ``returns`` asks for, has failed with the error ``"format"``.

    Raises:
        ChatRefused: nothing was asked: no permission, a limit, an empty or too long question, an unknown assistant, an
            object or a conversation that is gone or belongs to another user.
        ImproperlyConfigured: the assistant's backend cannot return a value.
        RuntimeError: an event loop is running in this thread, or a transaction.
        TypeError: an argument is of the wrong type, such as the ``request.user`` of a visitor without an account.
        ValueError: ``keep=False`` with a ``conversation``, a language that the site does not have, or a ``timeout``
            that is not positive.
    """
    _check_no_loop("ask() would wait", "await aask(...)")
    from .engine import background

    try:
        return background.run(_work(assistant, text, options))
    except _failures() as error:
        raise _refused(error, options) from error


async def aask(assistant: str, text: str, **options: Unpack[Options]) -> Answer:
    """Ask an assistant, and return its answer when that has ended. If the caller is cancelled, it is stopped.

    Arguments, result and exceptions are those of ``ask``.
    """
    return await _asked(assistant, text, options)


async def astream(assistant: str, text: str, **options: Unpack[Options]) -> AsyncGenerator[str | Answer, None]:
    """Ask an assistant, yield its answer piece by piece, and then the ``Answer``.

    Joined, the pieces are ``Answer.text``. To leave the iteration is to stop the answer. Arguments and exceptions are
    those of ``ask``.
    """
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[str | None] = asyncio.Queue()

    def tell(piece: str) -> None:
        with suppress(RuntimeError):  # this loop is closed: nobody reads any more
            loop.call_soon_threadsafe(pieces.put_nowait, piece)

    asking = asyncio.ensure_future(_asked(assistant, text, options, tell))
    asking.add_done_callback(lambda _: pieces.put_nowait(None))
    try:
        while (piece := await pieces.get()) is not None:
            yield piece
        yield await asking
    finally:
        asking.cancel()
        await asyncio.wait([asking])
        if not asking.cancelled():
            asking.exception()  # raised above, or of no interest to a caller that has left


def post(assistant: str, text: str, *, user: Any, about: "Model | None" = None, conversation: str | None = None) -> str:
    """Post a message to a user in the assistant's name. No model is called; models read it with the later questions.

    It is stored behind the last message of the conversation and marks it as unread. Open pages show it at once. Inside
    a transaction, they do when that is committed.

    Args:
        assistant: the name of the assistant.
        text: the message, in Markdown.
        user: the user whose conversation it is.
        about: the object that the conversation is about.
        conversation: the ``uid`` of one of the user's conversations; ``None`` for the one that ``{% chat %}`` shows
            for the assistant and the object, which begins with the message if it does not exist.

    Returns:
        The ``uid`` of the conversation.

    Raises:
        ChatRefused: nothing was posted: an unknown assistant, an empty or too long text, an object that is gone or that
            the assistant does not talk about, a conversation that is gone or belongs to another user; or one in which
            an answer is running or waits for a decision (``busy``).
        RuntimeError: an event loop is running in this thread.
        TypeError: an argument is of the wrong type.
    """
    _check_no_loop("post() would use the database", "await sync_to_async(post)(...)")
    from .engine import posting

    try:
        return posting.post(assistant, text, user, about, conversation)
    except Refusal as error:
        raise _refused(error, {}) from error


async def _asked(assistant: str, text: str, options: Options, tell: Tell = lambda _: None) -> Answer:
    from .engine import background

    try:
        return await background.run_async(_work(assistant, text, options, tell))
    except _failures() as error:
        raise _refused(error, options) from error


def _work(assistant: str, text: str, options: Options, tell: Tell = lambda _: None) -> "Work[Answer]":
    """Check a question, and return what asks it on an engine. Raises ``TypeError`` and ``ValueError``."""
    from .engine.asking import Asking, Question

    question = Question(assistant, text, **options)
    return lambda engine: Asking(engine, question, tell).answer()


def _check_no_loop(reason: str, instead: str) -> None:
    """Raise ``RuntimeError`` in a coroutine, whose loop would wait."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError(f"{reason} on an event loop, which would stand still meanwhile: use `{instead}` instead.")


def _failures() -> tuple[type[Exception], ...]:
    """Return what keeps a question from being asked, except mistakes of the caller's."""
    from django.db import Error

    return Refusal, Error


def _refused(error: Exception, options: Options) -> ChatRefused:
    """Return the refusal as a site's code gets it, in the language of the question or the active one."""
    language = options.get("language") or None
    if isinstance(error, Refusal):
        return ChatRefused(error.sentence(language), error.code, getattr(error, "retry_at", None))
    return ChatRefused(sentence("storage", language), "storage")
