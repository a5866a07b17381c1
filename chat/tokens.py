"""What a call of a model has used, in tokens: as its endpoint reports it, or estimated from the texts."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

BYTES_PER_TOKEN = 4
"""Of UTF-8, for an estimate. That is right for English; it is a little too much for German and too few for code."""

PER_MESSAGE = 4
"""Tokens that a message takes besides its text, for an estimate."""

MOST = 2**31 - 1
"""A figure beyond this is an error of the endpoint's: it counts as unknown."""

_INPUT = ("prompt_tokens", "input_tokens", "prompt_eval_count", "prompt_n")
_OUTPUT = ("completion_tokens", "output_tokens", "eval_count", "predicted_n")
_CACHED = ("prompt_cache_hit_tokens", "cached_tokens", "cache_n")
_BESIDE = ("cache_read_input_tokens", "cache_creation_input_tokens")
"""Anthropic's: tokens of the input that ``input_tokens`` does not count."""


class Tokens(NamedTuple):
    """Counts of tokens; ``None`` is one that is not known. The input includes ``cached``, the output ``reasoning``."""

    input: int | None = None
    cached: int | None = None
    output: int | None = None
    reasoning: int | None = None

    @property
    def total(self) -> int | None:
        """Return the sum of input and output; ``None`` if one of them is not known."""
        return None if self.input is None or self.output is None else self.input + self.output


def reported(usage: Mapping[str, Any] | None) -> Tokens | None:
    """Read the usage report of an endpoint; ``None`` if it has neither the input nor the output.

    The names are those of OpenAI, DeepSeek, Anthropic, Moonshot, Ollama and llama.cpp. A total that is larger than its
    parts has reasoning that the output does not count, as that of Gemini and of xAI: then the output is the rest.
    """
    if not usage:
        return None
    taken, written = _first(usage, _INPUT), _first(usage, _OUTPUT)
    if taken is None and written is None:
        return None
    cached = _first(_details(usage, "prompt_tokens_details", "input_tokens_details"), ("cached_tokens",))
    cached = cached if cached is not None else _first(usage, _CACHED)
    reasoning = _first(_details(usage, "completion_tokens_details", "output_tokens_details"), ("reasoning_tokens",))
    if "prompt_tokens" not in usage and taken is not None:
        beside = [_count(usage.get(name)) for name in _BESIDE]
        taken += sum(count or 0 for count in beside)
        cached = beside[0] if cached is None else cached
    total = _count(usage.get("total_tokens"))
    if total is not None and taken is not None and written is not None and total > taken + written:
        written = total - taken
    if cached is not None and taken is not None:
        cached = min(cached, taken)
    return Tokens(taken, cached, written, reasoning)


def estimated(text: str) -> int:
    """Estimate the tokens of a text: one for every four bytes of UTF-8, rounded up."""
    return -(-len(text.encode(errors="replace")) // BYTES_PER_TOKEN)


def estimated_input(messages: Iterable[Mapping[str, Any]]) -> int:
    """Estimate the tokens of the messages that a model reads, with the calls of tools among them."""
    return sum(PER_MESSAGE + estimated(message["content"]) + _of_calls(message) for message in messages)


def _of_calls(message: Mapping[str, Any]) -> int:
    functions = (call["function"] for call in message.get("tool_calls", ()))
    return sum(estimated(function["name"]) + estimated(function["arguments"]) for function in functions)


def _details(usage: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    return next((usage[name] for name in names if isinstance(usage.get(name), Mapping)), {})


def _first(usage: Mapping[str, Any], names: Iterable[str]) -> int | None:
    counts = (_count(usage.get(name)) for name in names)
    return next((count for count in counts if count is not None), None)


def _count(value: Any) -> int | None:
    """Return a count of tokens; ``None`` for anything else, such as a negative number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or not 0 <= value <= MOST:
        return None
    return int(value) if value == int(value) else None
