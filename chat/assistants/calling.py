"""Calls a tool: a synchronous one on a thread, an asynchronous one on the event loop, and never for longer than it may.

Nothing of the site's reaches the model or the page except results, progress and the text of a ``ToolError``.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from inspect import isasyncgen, isasyncgenfunction, iscoroutinefunction, isgenerator
from typing import Any, Literal, NamedTuple

from ..db.calls import UNKNOWN
from ..text import storable
from .base import Assistant
from .hooks import in_thread, language
from .results import decoded, encoded
from .tools import Progress, Tool, ToolError

logger = logging.getLogger(__name__)

MAX_TEXT = 1_000
"""Length limit of a ``ToolError``'s text and of progress, in characters."""

FAILED = "The tool failed."
BUSY = "The server had no time to run this tool."


class Outcome(NamedTuple):
    """How a call ended: its result as plain data, or a sentence for the model and the visitor."""

    state: Literal["done", "failed", "unknown"]
    output: Any = None
    error: str = ""


Report = Callable[[str], None]
"""Takes the text of a tool's progress. Called on the event loop."""


async def call_tool(assistant: Assistant, tool: Tool, arguments: dict[str, Any], report: Report) -> Outcome:
    """Call a tool, and return how it ended. Raises nothing but ``CancelledError``.

    At its timeout, and if the caller is cancelled, an asynchronous tool is cancelled; a synchronous one runs to its end
    on its thread, and its result is dropped.
    """
    method = getattr(assistant, tool.name)
    if iscoroutinefunction(method) or isasyncgenfunction(method):
        return await _within(tool, _on_loop(assistant, method, arguments, report), [])
    ticket = ["may begin"]
    loop = asyncio.get_running_loop()

    def reported(text: str) -> None:
        loop.call_soon_threadsafe(report, text)

    def step() -> str:
        ticket.pop()  # raises if the call was given up before a thread was free
        with _spoken(assistant):
            return _drained(method(**arguments), reported)

    return await _within(tool, in_thread(step), ticket)


async def _within(tool: Tool, work: Any, ticket: list[str]) -> Outcome:
    """Wait for a call for as long as its tool may take. One that waits for a thread until then never begins."""
    task = asyncio.ensure_future(work)
    never_begins = False
    try:
        await asyncio.wait({task}, timeout=tool.options.timeout)
    finally:
        if not task.done():
            never_begins = _given_up(ticket)
            task.add_done_callback(_dropped)
            task.cancel()
    if not task.done():
        logger.warning("The tool %s took longer than %g s.", tool.name, tool.options.timeout)
        return Outcome("failed", error=BUSY) if never_begins else Outcome("unknown", error=UNKNOWN)
    if task.cancelled():
        logger.warning("The tool %s cancelled itself.", tool.name)
        return Outcome("failed", error=FAILED)
    return _outcome(tool, task)


@contextmanager
def _spoken(assistant: Assistant) -> Iterator[None]:
    """Activate the language of the page, in which the lazy text of a ``ToolError`` becomes a string."""
    with language(assistant):
        try:
            yield
        except ToolError as error:
            raise ToolError(str(error)) from error


def _outcome(tool: Tool, task: "asyncio.Future[str]") -> Outcome:
    try:
        return Outcome("done", decoded(task.result()))
    except ToolError as error:
        return Outcome("failed", error=storable(str(error))[:MAX_TEXT] or FAILED)
    except Exception:
        logger.exception("The tool %s failed.", tool.name)
        return Outcome("failed", error=FAILED)


def _given_up(ticket: list[str]) -> bool:
    """Take the ticket of a call that has not begun; return ``False`` if it has. Atomic: a list is popped once."""
    try:
        ticket.pop()
    except IndexError:
        return False
    return True


def _dropped(task: "asyncio.Future[Any]") -> None:
    """Retrieve the exception of a call that nobody waits for: otherwise asyncio logs it."""
    if not task.cancelled():
        task.exception()


async def _on_loop(assistant: Assistant, method: Callable[..., Any], arguments: dict[str, Any], report: Report) -> str:
    if assistant.user_id is not None:
        await in_thread(getattr, assistant, "user")
    with _spoken(assistant):
        found = method(**arguments)
        return encoded(await _adrained(found, report) if isasyncgen(found) else await found)


async def _adrained(values: AsyncIterator[Any], report: Report) -> Any:
    """Return the last value that a tool yields; ``None`` if that is its progress, or if there is none."""
    last = None
    async for value in values:
        last = _reported(value, report)
    return last


def _drained(found: Any, report: Report) -> str:
    """Do the same for a synchronous tool; return the result in JSON, made on the tool's own thread."""
    if isgenerator(found):
        values: Iterator[Any] = found
        found = None
        for value in values:
            found = _reported(value, report)
    return encoded(found)


def _reported(value: Any, report: Report) -> Any:
    if not isinstance(value, Progress):
        return value
    report(storable(str(value.text))[:MAX_TEXT])
    return None
