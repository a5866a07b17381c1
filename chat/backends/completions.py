"""A streamed reply in OpenAI's chat-completions format, decoded into deltas. No I/O.

Source: https://platform.openai.com/docs/api-reference/chat-streaming; ``reasoning_content`` is an addition of DeepSeek
and llama.cpp, ``reasoning`` that of OpenRouter and vLLM.
"""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

import msgspec

from ..chunks import FinishReason
from .base import BackendError, Reasoning, Text
from .failures import excerpt, from_event
from .sse import Decoder, Event, EventSizeError

DONE = b"[DONE]"

FINISH_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "content_filter": "content-filter",
    "tool_calls": "tool-calls",
    "function_call": "tool-calls",
}


class _Delta(msgspec.Struct, gc=False):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


class _Choice(msgspec.Struct, gc=False):
    delta: _Delta | None = None
    finish_reason: str | None = None
    index: int = 0


class _Completion(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: dict[str, Any] | None = None
    error: Any = None


_decode = msgspec.json.Decoder(_Completion).decode


class Reply:
    """One reply while it comes in.

    ``reason`` is set when the model has ended it, ``done`` when the stream has, ``failure`` when it cannot be read on;
    ``begun`` when a delta has been read.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self.reason: FinishReason | None = None
        self.usage: dict[str, Any] | None = None
        self.done = False
        self.failure: BackendError | None = None
        self.begun = False
        self._secrets = tuple(secrets)
        self._events = Decoder()

    @property
    def ended(self) -> bool:
        """Whether no more deltas will come."""
        return self.done or self.reason is not None or self.failure is not None

    def read(self, piece: bytes) -> list[Text | Reasoning]:
        """Take one network read; return what it says, neighbours of one kind merged, so that a fast model stays cheap.

        A failure is kept until the deltas before it have been passed on: their text is part of the answer.
        """
        deltas: list[Text | Reasoning] = []
        try:
            for event in self._events.feed(piece):
                self._take(event, deltas)
        except EventSizeError as error:
            self.failure = BackendError("upstream", str(error))
        except BackendError as error:
            self.failure = error
        self.begun = self.begun or bool(deltas)
        return deltas if len(deltas) < 2 else _merge(deltas)

    def _take(self, event: Event, deltas: list[Text | Reasoning]) -> None:
        if event.data == DONE:
            self.done = True
            return
        completion = self._decode(event)
        if completion.usage is not None:
            self.usage = completion.usage
        for choice in completion.choices or ():
            if choice.index == 0:
                self._take_choice(choice, deltas)

    def _decode(self, event: Event) -> _Completion:
        try:
            completion = _decode(event.data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            start = excerpt(event.data, self._secrets)
            raise BackendError("upstream", f"The stream cannot be read ({type(error).__name__}): {start}") from None
        if completion.error is not None or event.name == b"error":
            raise from_event(event.data, self._secrets)
        return completion

    def _take_choice(self, choice: _Choice, deltas: list[Text | Reasoning]) -> None:
        if (delta := choice.delta) is not None:
            # Some servers send one reasoning under both names.
            if reasoning := delta.reasoning_content or delta.reasoning:
                deltas.append(Reasoning(reasoning))
            if text := delta.content or delta.refusal:
                deltas.append(Text(text))
        if choice.finish_reason:
            self.reason = FINISH_REASONS.get(choice.finish_reason, "other")


def _merge(deltas: list[Text | Reasoning]) -> list[Text | Reasoning]:
    return [kind("".join(delta.text for delta in group)) for kind, group in groupby(deltas, type)]
