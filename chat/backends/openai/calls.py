"""Collects the tool calls of a streamed reply, whose arguments arrive in fragments. No I/O.

Endpoints differ: OpenAI sends fragments by ``index``, and leaves gaps in it; Gemini sends whole calls that all have the
index 0; Ollama sends whole calls without an id; some send the arguments as an object; older ones send a
``function_call`` without an index. Source: https://platform.openai.com/docs/api-reference/chat-streaming.
"""

import json
from typing import Any

from ..base import ToolCall

MAX_CALLS = 256
"""How many calls of one reply are read; the rest is dropped."""

MAX_ARGUMENTS = 1_048_576
"""How many characters of a call's arguments are kept. Tools accept fewer: a call with so many is refused."""

_KNOWN = ("index", "id", "type", "function")


class Fragments:
    """One call so far."""

    def __init__(self, number: Any) -> None:
        self.number = number
        self.id = self.name = ""
        self._texts: list[str] = []
        self._length = 0
        self._extra: dict[str, Any] = {}

    def add(self, given: dict[str, Any]) -> None:
        """Add what one event has of the call."""
        function = given.get("function")
        function = function if isinstance(function, dict) else {}
        self.id = self.id or _text(given.get("id"))
        self.name = self.name or _text(function.get("name"))
        arguments = function.get("arguments")
        if arguments is not None and not isinstance(arguments, str):
            arguments = json.dumps(arguments)
        if arguments and self._length <= MAX_ARGUMENTS:
            self._texts.append(arguments)
            self._length += len(arguments)
        self._extra |= {name: value for name, value in given.items() if name not in _KNOWN}

    @property
    def complete(self) -> bool:
        """Tell whether nothing can follow: it has a name, and its arguments are a JSON object."""
        try:
            return bool(self.name) and isinstance(json.loads("".join(self._texts) or "{}"), dict)
        except (ValueError, RecursionError):
            return False

    @property
    def call(self) -> ToolCall:
        """Return the call."""
        return ToolCall(self.id, self.name, "".join(self._texts), self._extra)


class Calls:
    """The calls of one reply. ``fragments`` counts what has arrived of them."""

    def __init__(self) -> None:
        self.fragments = 0
        self._calls: list[Fragments] = []

    def add(self, tool_calls: Any, function_call: Any = None) -> bool:
        """Take what a delta has under these names, of any shape; return whether there was any call in it."""
        given = tool_calls if isinstance(tool_calls, list) else [tool_calls]
        if isinstance(function_call, dict):
            given.append({"function": function_call})
        found = [each for each in given if isinstance(each, dict)]
        for each in found:
            if (fragments := self._of(each)) is not None:
                fragments.add(each)
        self.fragments += len(found)
        return bool(found)

    @property
    def whole(self) -> list[ToolCall]:
        """Return the calls, in the order in which they began, without those that name no tool."""
        return [fragments.call for fragments in self._calls if fragments.name]

    def _of(self, given: dict[str, Any]) -> Fragments | None:
        """Return the call that a fragment belongs to, a new one if it begins one; ``None`` if there are too many."""
        number, own = given.get("index"), _text(given.get("id"))
        function = given.get("function")
        named = isinstance(function, dict) and bool(function.get("name"))
        same = [each for each in self._calls if number is None or each.number == number]
        last = same[-1] if same else None
        # A second call of the same index has another id, or a name although the last one is complete.
        if last is None or (own and last.id and own != last.id) or (named and not own and last.complete):
            if len(self._calls) == MAX_CALLS:
                return None
            last = Fragments(number)
            self._calls.append(last)
        return last


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
