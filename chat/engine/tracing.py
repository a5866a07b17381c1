"""Spans of OpenTelemetry for answers, calls of models and calls of tools, where ``opentelemetry-api`` is installed.

Names and attributes are those of the semantic conventions for generative AI
(https://opentelemetry.io/docs/specs/semconv/gen-ai/), in ``django_llm_chat.*`` what they have no name for. Spans have
ids, names, figures and codes of errors, never what somebody has written.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

from ..backends.base import Backend
from ..tokens import Tokens, reported

trace: Any
try:
    from opentelemetry import trace
except ImportError:
    trace = None

Value = str | int | float | bool | list[str]


class Span(Protocol):
    """A span that is under way."""

    def note(self, **attributes: Value | None) -> None:
        """Set attributes, which have ``_`` in place of ``.``; ``None`` sets nothing."""

    def fail(self, error: str) -> None:
        """Mark the span as failed, with the code of an error; an empty one marks nothing."""


class _Nothing:
    """A span where nothing is traced."""

    def note(self, **attributes: Value | None) -> None:
        pass

    def fail(self, error: str) -> None:
        pass


class _Traced:
    """A span of OpenTelemetry."""

    def __init__(self, span: Any) -> None:
        self._span = span

    def note(self, **attributes: Value | None) -> None:
        for name, value in attributes.items():
            if value is not None:
                self._span.set_attribute(_NAMES[name], value)

    def fail(self, error: str) -> None:
        if error:
            self._span.set_attribute("error.type", error)
            self._span.set_status(trace.Status(trace.StatusCode.ERROR))


_NAMES = {
    "status": "django_llm_chat.status",
    "finish_reasons": "gen_ai.response.finish_reasons",
    "input_tokens": "gen_ai.usage.input_tokens",
    "output_tokens": "gen_ai.usage.output_tokens",
}
_NO_SPAN: AbstractContextManager[Span] = nullcontext(_Nothing())


def answer_span(assistant: str, conversation: int, answer: int) -> AbstractContextManager[Span]:
    """Return the span of an answer, from its first step to its stored end; both ids are primary keys."""
    if trace is None:
        return _NO_SPAN
    attributes = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": assistant,
        "gen_ai.conversation.id": str(conversation),
        "django_llm_chat.answer.id": answer,
    }
    return _span(f"invoke_agent {assistant}", trace.SpanKind.INTERNAL, attributes)


def model_span(backend: Backend) -> AbstractContextManager[Span]:
    """Return the span of one call of a backend's model."""
    if trace is None:
        return _NO_SPAN
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": type(backend).__name__.removesuffix("Backend").lower(),
        "gen_ai.request.model": backend.model,
    }
    return _span(f"chat {backend.model}", trace.SpanKind.CLIENT, attributes)


def tool_span(tool: str, call: str) -> AbstractContextManager[Span]:
    """Return the span of one call of a tool, by the call's ``uid``."""
    if trace is None:
        return _NO_SPAN
    attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": tool,
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": call,
    }
    return _span(f"execute_tool {tool}", trace.SpanKind.INTERNAL, attributes)


def tokens_of(usage: Mapping[str, Any] | None) -> dict[str, Value | None]:
    """Return the attributes of what a call has used, as far as the endpoint has reported it."""
    tokens = reported(usage) or Tokens()
    return {"input_tokens": tokens.input, "output_tokens": tokens.output}


@contextmanager
def _span(name: str, kind: Any, attributes: dict[str, Any]) -> Iterator[Span]:
    tracer = trace.get_tracer("llm_chat")
    # The text of an exception may come from the endpoint, so only its class is kept.
    options = {"record_exception": False, "set_status_on_exception": False}
    with tracer.start_as_current_span(name, kind=kind, attributes=attributes, **options) as span:
        traced = _Traced(span)
        try:
            yield traced
        except Exception as error:
            traced.fail(getattr(error, "code", None) or type(error).__name__)
            raise
