"""Assertions about the calls of tools, which read their rows."""

import asyncio
import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from ..db.threads import close_connection
from ..models import ToolCall

T = TypeVar("T")

_NOT_GIVEN = object()


def assert_tool_called(name: str, /, **arguments: Any) -> ToolCall:
    """Check that a model has called a tool with these arguments, among others that it may have given.

    Args:
        name: the name of the tool.
        **arguments: as the model gave them, in plain data; one that it left to its default is not there.

    Returns:
        the row of the latest such call, for further checks of its ``state`` and ``output``.

    Raises:
        AssertionError: there is no such call; it names those that there are.
    """
    calls = stored_calls()
    found = _matching(calls, name, arguments)
    if not found:
        raise AssertionError(f"Expected a call {shown(name, arguments)}. Got: {listed(calls)}.")
    return found[-1]


def assert_tool_not_called(name: str, /, **arguments: Any) -> None:
    """Check that no model has called a tool with these arguments; without any, that it was not called at all.

    Raises ``AssertionError``, which names the calls that there are.
    """
    calls = stored_calls()
    if _matching(calls, name, arguments):
        raise AssertionError(f"Expected no call {shown(name, arguments)}. Got: {listed(calls)}.")


def stored_calls() -> list[ToolCall]:
    """Return all calls in the database, the oldest first."""
    return on_any_thread(lambda: list(ToolCall.objects.order_by("pk")))


def on_any_thread(query: Callable[[], T]) -> T:
    """Run a query of a test, on another thread if the test is a coroutine: Django allows none on an event loop's."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return query()

    def closing() -> T:
        try:
            return query()
        finally:
            close_connection()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(closing).result()


def shown(name: str, arguments: dict[str, Any]) -> str:
    """Return a call as it would be written in Python, with its arguments in the order of their names."""
    return f"{name}({', '.join(f'{key}={value!r}' for key, value in sorted(arguments.items()))})"


def listed(calls: Iterable[ToolCall]) -> str:
    """Return calls with how they ended, for a message."""
    return "; ".join(f"{shown(call.name, call.input)}, {_end(call)}" for call in calls) or "no calls"


def _end(call: ToolCall) -> str:
    return f"{call.state} ({call.error})" if call.error else str(call.state)


def _matching(calls: Iterable[ToolCall], name: str, arguments: dict[str, Any]) -> list[ToolCall]:
    wanted = json.loads(json.dumps(arguments))  # as the database has them: lists instead of tuples
    return [
        call
        for call in calls
        if call.name == name and all(call.input.get(key, _NOT_GIVEN) == value for key, value in wanted.items())
    ]
