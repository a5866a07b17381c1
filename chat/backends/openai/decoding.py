"""Decodes one event of a streamed reply: strictly first, and leniently if that fails. No I/O.

Source: https://platform.openai.com/docs/api-reference/chat-streaming; ``reasoning_content`` is an addition of DeepSeek
and llama.cpp, ``reasoning`` that of OpenRouter and vLLM; lists of typed pieces as ``content`` are Mistral's.

Nearly every event takes the strict path, which costs a microsecond. The lenient path looks only for what an answer
needs (text, reasoning, the reason and errors) and skips everything else.
"""

import json
from collections.abc import Iterator
from typing import Any

import msgspec

MAX_DEPTH = 8
"""How deep a text may be nested in lists and objects."""

PIECES = ("text", "thinking", "reasoning", "content", "refusal", "summary", "value")
"""The keys under which a typed piece may have its text."""

NO_ERROR_CODES = (None, "", 0, 200, "0", "200", "ok", "success")
"""Codes of an event that reports no error."""

TEXT_TYPES = ("text", "think", "thought", "reason", "refusal", "summary")
"""Words in the types of pieces that are text or reasoning; the other types are references, images and calls."""


class Delta(msgspec.Struct, gc=False):
    """The content that an event adds to a choice."""

    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: Any = None
    function_call: Any = None


class Choice(msgspec.Struct, gc=False):
    """One of the replies that the endpoint generates at the same time.

    A whole completion has ``message`` in place of ``delta``; the older completions format has ``text``.
    """

    delta: Delta | None = None
    finish_reason: str | None = None
    index: int | None = 0
    message: Delta | None = None
    text: str | None = None
    error: Any = None


class Completion(msgspec.Struct, gc=False):
    """One event, or a whole completion."""

    choices: list[Choice] | None = None
    usage: dict[str, Any] | None = None
    error: Any = None


UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What ``decode`` raises."""

decode = msgspec.json.Decoder(Completion).decode
"""Decode an event that matches the format."""


def load(data: bytes) -> Any:
    """Parse JSON that may contain lone surrogates, invalid UTF-8 or control characters.

    Raises:
        ValueError: it is not JSON, or is nested too deeply.
    """
    try:
        text = data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        text = data.decode(errors="replace")
    try:
        return json.loads(text, strict=False)
    except RecursionError:
        raise ValueError("The JSON is nested too deeply.") from None


def is_error(value: Any) -> bool:
    """Tell whether an ``error`` has content: some endpoints send an empty one with every event."""
    return any(value.values()) if isinstance(value, dict) else bool(value)


def reports_error(data: bytes) -> bool:
    """Tell whether an event without choices is itself an error, as in older versions of vLLM."""
    try:
        value = load(data)
    except ValueError:  # it has an integer with thousands of digits, which Python refuses
        return False
    return isinstance(value, dict) and ("error" in (value.get("object"), value.get("type")) or _is_bare_error(value))


def _is_bare_error(value: dict[str, Any]) -> bool:
    """Tell whether an event has the content of an ``error`` without that key: a sentence with a code or a status."""
    if value.get("detail") or value.get("errors"):
        return True
    named = (value.get(name) for name in ("code", "status", "status_code"))
    return isinstance(value.get("message"), str) and any(name not in NO_ERROR_CODES for name in named)


def decode_leniently(data: bytes) -> Completion:
    """Extract what can be used from an event. The texts may contain lone surrogates.

    Raises:
        ValueError: the event is not JSON.
    """
    completion = Completion(choices=[])
    value = load(data) if data.strip() else None
    for entry in value if isinstance(value, list) else [value]:
        if isinstance(entry, dict):
            _add(entry, completion)
    return completion


def _add(entry: dict[str, Any], completion: Completion) -> None:
    choices, usage = entry.get("choices"), entry.get("usage")
    for choice in choices if isinstance(choices, list) else [choices]:
        if isinstance(choice, dict) and completion.choices is not None:
            completion.choices += _choices(choice)
    if isinstance(usage, dict):
        completion.usage = usage
    completion.error = completion.error or entry.get("error")


def _choices(choice: dict[str, Any]) -> Iterator[Choice]:
    """Split a choice of any shape: yield a choice for each piece of its text, and a last one with the reason."""
    index, reason = choice.get("index"), choice.get("finish_reason")
    index = index if type(index) is int else None
    added = choice.get("delta", choice.get("text"))
    if isinstance(added, dict | list | str):
        for delta in _deltas(added if isinstance(added, dict) else {"content": added}):
            yield Choice(delta, index=index)
    elif isinstance(choice.get("message"), dict):
        for delta in _deltas(choice["message"]):
            yield Choice(message=delta, index=index)
    yield Choice(None, reason if isinstance(reason, str) else None, index, error=choice.get("error"))


def _deltas(value: dict[str, Any]) -> Iterator[Delta]:
    reasoning = [*_texts(value.get("reasoning_content"), True)] or [*_texts(value.get("reasoning"), True)]
    yield from reasoning
    content = value.get("content")
    yield from [*_texts(str(content) if type(content) in (int, float) else content)] or _texts(value.get("refusal"))
    if value.get("tool_calls") or value.get("function_call"):
        yield Delta(tool_calls=value.get("tool_calls"), function_call=value.get("function_call"))


def _texts(value: Any, thinks: bool = False, depth: int = MAX_DEPTH) -> Iterator[Delta]:
    """Yield the texts in a value of any shape, in order; ``thinks`` marks them as reasoning."""
    if not value or depth == 0:
        return
    if isinstance(value, str):
        yield Delta(reasoning=value) if thinks else Delta(content=value)
    elif isinstance(value, list):
        for piece in value:
            yield from _texts(piece, thinks, depth - 1)
    elif isinstance(value, dict):
        kind = str(value.get("type") or "text").lower()
        if any(word in kind for word in TEXT_TYPES):
            thinks = thinks or any(word in kind for word in ("think", "thought", "reason"))
            found = (piece for name in PIECES if (piece := [*_texts(value.get(name), thinks, depth - 1)]))
            yield from next(found, ())
