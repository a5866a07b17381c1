"""Calls the hooks of a site's assistants: synchronous ones on threads of their own, asynchronous ones on the loop."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from inspect import iscoroutinefunction
from typing import Any

from asgiref.sync import async_to_sync
from channels.db import database_sync_to_async
from django.utils.functional import Promise
from django.utils.translation import override

from ..conf import conf
from ..db.threads import Pool
from ..forking import after_fork
from ..limits import Limits, read
from .base import Assistant
from .discovery import Settings

logger = logging.getLogger(__name__)

UNCHECKED = "The permission of a visitor could not be checked, so it was refused."

ADMISSION_WAIT = 10.0
"""How long a page or a turn waits for the assistant's permissions, and a turn for its object, in seconds."""

_pool: Pool | None = None


async def instructions_of(assistant: Assistant) -> str:
    """Return the instructions of a turn, in its language.

    Raises what the site's hook raises, and ``TypeError`` if that returns something else than a text or ``None``.
    """
    if not _asks_the_site(assistant):
        return text_of(assistant, assistant.get_instructions())
    found = await call(assistant, assistant.get_instructions)
    if not isinstance(found, str | Promise | None):
        raise TypeError(f"get_instructions must return a text or None, got {found!r}.")
    return text_of(assistant, found)


async def limits_of(assistant: Assistant) -> Limits:
    """Return the limits of an assistant. Raises what the site's hook raises, and ``ValueError`` if they are wrong."""
    if type(assistant).limits is Assistant.limits:
        return {}
    found = await call(assistant, assistant.limits)
    try:
        return read({} if found is None else found)
    except ValueError as error:
        raise ValueError(f"{type(assistant).__qualname__}.limits(){error}") from None


async def has_permission(assistant: Assistant) -> bool:
    """Ask an assistant whether its visitor may use the chat, and then about the object; an exception means no.

    The exception is logged.
    """
    try:
        for hook, *arguments in _permissions(assistant):
            if not await call(assistant, hook, *arguments):
                return False
    except Exception:
        logger.exception(UNCHECKED)
        return False
    return True


def usable(assistants: Iterable[Assistant]) -> list[Assistant]:
    """Do the same for several in a synchronous view or template, and return those that its visitor may use.

    Synchronous hooks run on the view's own thread, asynchronous ones all at once. One that takes longer than
    ``ADMISSION_WAIT`` refuses.
    """
    asked = list(assistants)
    waiting = [one for one in asked if any(iscoroutinefunction(hook) for hook, *_ in _permissions(one))]
    permitted = async_to_sync(_permitted_in_time)(waiting) if waiting else []
    return [one for one in asked if (one in permitted if one in waiting else _permits(one))]


async def _permitted_in_time(assistants: Sequence[Assistant]) -> list[Assistant]:
    """Return those that their visitor may use, of some that are asked on the event loop."""
    tasks = [asyncio.ensure_future(has_permission(assistant)) for assistant in assistants]
    done, late = await asyncio.wait(tasks, timeout=ADMISSION_WAIT)
    for task in late:
        task.cancel()
        logger.warning("The permission of a visitor could not be checked in %g s, so it was refused.", ADMISSION_WAIT)
    return [assistant for assistant, task in zip(assistants, tasks, strict=True) if task in done and task.result()]


def _permits(assistant: Assistant) -> bool:
    """Ask an assistant whose hooks are all synchronous, on this thread."""
    try:
        return all(_spoken(assistant, hook, *arguments) for hook, *arguments in _permissions(assistant))
    except Exception:
        logger.exception(UNCHECKED)
        return False


def _permissions(assistant: Assistant) -> list[tuple[Any, ...]]:
    """Return the hooks that the site has written, with their arguments."""
    found: list[tuple[Any, ...]] = []
    if type(assistant).has_permission is not Assistant.has_permission:
        found.append((assistant.has_permission,))
    if assistant.about is not None and type(assistant).has_about_permission is not Assistant.has_about_permission:
        found.append((assistant.has_about_permission, assistant.about))
    return found


async def call(assistant: Assistant, hook: Callable[..., Any], *arguments: Any) -> Any:
    """Call a hook of an assistant, in the language of the turn.

    A synchronous one runs on one of ``CHAT["TOOL_THREADS"]`` threads, never on those that serve questions, stops and
    heartbeats. If the caller is cancelled, it runs to its end, and its result is dropped.
    """
    if not iscoroutinefunction(hook):
        return await in_thread(_spoken, assistant, hook, *arguments)
    if assistant.user_id is not None:
        await in_thread(getattr, assistant, "user")
    with language(assistant):
        return await hook(*arguments)


async def in_thread(step: Callable[..., Any], *args: Any) -> Any:
    """Run a step of the site's on one of ``CHAT["TOOL_THREADS"]`` threads, with Django's care for its connections."""
    global _pool
    if _pool is None:
        _pool = Pool(conf.tool_threads, thread_name_prefix="chat-tools")
    run = database_sync_to_async(step, thread_sensitive=False, executor=_pool)
    running = asyncio.ensure_future(run(*args))
    # Retrieve the exception even if nobody waits for it any more: otherwise asyncio logs it.
    running.add_done_callback(lambda task: task.cancelled() or task.exception())
    return await asyncio.shield(running)


def _forget_threads() -> Pool | None:
    global _pool
    pool, _pool = _pool, None
    return pool


after_fork(_forget_threads)


def close_threads() -> None:
    """Let the threads end when their steps have; the next step makes new ones."""
    global _pool
    pool, _pool = _pool, None
    if pool is not None:
        pool.shutdown(wait=False)


def _asks_the_site(assistant: Assistant) -> bool:
    """Tell whether code of the site's makes the instructions; a text of the settings or the class needs no thread."""
    if isinstance(assistant, Settings):
        return callable(conf.system_prompt)
    return type(assistant).get_instructions is not Assistant.get_instructions


def _spoken(assistant: Assistant, hook: Callable[..., Any], *arguments: Any) -> Any:
    with language(assistant):
        return hook(*arguments)


def text_of(assistant: Assistant, found: Any) -> str:
    """Return a text of the site's in the language of the turn. It may be a lazy translation; ``None`` is no text."""
    with language(assistant):
        return "" if found is None else str(found)


def language(assistant: Assistant) -> Any:
    """Return a context manager that activates the language of an assistant's page, or does nothing without one."""
    return override(assistant.language) if assistant.language else nullcontext()
