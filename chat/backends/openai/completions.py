"""Decodes a streamed reply in OpenAI's chat-completions format, and its many variants, into deltas. No I/O."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from ...chunks import FinishReason
from ..base import BackendError, Reasoning, Text
from .body import Body, UnexpectedBodyError
from .calls import Calls
from .decoding import UNREADABLE, Choice, Completion, Delta, decode, decode_leniently, is_error, reports_error
from .failures import excerpt, from_event
from .reasons import reason_of
from .sse import Event, EventSizeError
from .thinking import Thoughts

DONE = b"[DONE]"
ERROR = b"error"

FAILURES = (EventSizeError, UnexpectedBodyError, BackendError)

Texts = list[Text | Reasoning]


class Reply:
    """One reply as it arrives.

    ``reason`` is the last one that the model gave; text may still follow it. ``done`` is set when the stream has ended,
    ``failure`` when it cannot be read any further, ``begun`` after the first text, reasoning or call. ``heard`` grows
    with every delta, reason and usage report. ``calls`` are whole when the stream has ended.

    Args:
        secrets: words to take out of error messages.
        inside: whether the text begins with reasoning whose opening tag the endpoint leaves out.
    """

    def __init__(self, secrets: Iterable[str] = (), *, inside: bool = False) -> None:
        self.reason: FinishReason | None = None
        self.usage: dict[str, Any] | None = None
        self.done = False
        self.failure: BackendError | None = None
        self.begun = False
        self.heard = 0
        self._secrets = tuple(secrets)
        self._body = Body()
        self._thoughts = Thoughts(inside=inside)
        self._index: int | None = None
        self._odd = False
        self._halves: dict[type[Text | Reasoning], str] = {}
        self.calls = Calls()
        self._failed = False

    @property
    def ended(self) -> bool:
        """Tell whether the rest of the stream can be ignored."""
        return self.done or self.failure is not None

    def read(self, piece: bytes) -> Texts:
        """Take one network read and return its deltas, adjacent ones of a kind merged, so that fast models stay cheap.

        Keep a failure in ``failure`` instead of raising it: the text of the deltas before it is part of the answer.
        """
        deltas: Texts = []
        try:
            for event in self._body.feed(piece):
                self._take(event, deltas)
        except FAILURES as error:
            self._fail(error)
        self.heard += len(deltas)
        return deltas if len(deltas) < 2 else _merge(deltas)

    def end(self) -> Texts:
        """Take the end of the body, or of the part that was read; return the deltas that were held back."""
        deltas: Texts = []
        try:
            for event in () if self.ended else self._body.end():
                self._take_last(event, deltas)
        except FAILURES as error:
            self._fail(error)
        for kind in list(self._halves):
            self._say(kind, "", deltas, last=True)
        deltas += self._thoughts.end()
        if self.calls.fragments and not self._thoughts.over and self.reason == "stop":
            self.reason = "tool-calls"  # the reply has tool calls and no text, whatever reason the endpoint gives
        return _merge(deltas)

    def break_off(self, failure: BackendError) -> None:
        """Record that the connection failed; this is no failure if the model has already given a reason."""
        if self.failure is None and self.reason is None:
            self.failure = failure
        self.done = True

    def _fail(self, error: Exception) -> None:
        """Stop reading. An error that the endpoint reports counts even after a reason, any other only before it."""
        if isinstance(error, BackendError):
            self.failure = self.failure or error
        elif isinstance(error, UnexpectedBodyError):
            said = excerpt(error.head, self._secrets)
            self.break_off(BackendError("upstream", f"Expected an event stream, the endpoint sent: {said}"))
        else:
            self.break_off(BackendError("upstream", str(error)))

    def _take(self, event: Event, deltas: Texts) -> None:
        """Take one event. Every token takes this path, so rare cases are handled elsewhere."""
        data = event.data
        if data == DONE or self.done:
            self.done = True
            return
        try:
            completion = decode(data)
        except UNREADABLE:
            completion, self._odd = self._decode_odd(event), True
        else:
            self._odd = False
        nothing_read = not self.begun
        for choice in completion.choices or ():
            self._take_choice(choice, deltas, nothing_read)
        if completion.usage is not None:
            self.usage = completion.usage
            self.heard += 1
        if completion.choices is None or completion.error is not None or event.name or self._failed:
            self._check(event, completion)

    def _take_choice(self, choice: Choice, deltas: Texts, nothing_read: bool) -> None:
        delta = choice.delta
        if delta is None:
            delta = _content_without_delta(choice, nothing_read)
        if choice.index != self._index and not self._reads(choice, delta):
            return
        if delta is not None:
            # Some servers send one reasoning under both names.
            if reasoning := delta.reasoning_content or delta.reasoning:
                self._say(Reasoning, reasoning, deltas)
            if text := delta.content or delta.refusal:
                self._say(Text, text, deltas)
            if delta.tool_calls or delta.function_call:
                self.begun = self.calls.add(delta.tool_calls, delta.function_call) or self.begun
        if choice.finish_reason:
            self._take_reason(choice.finish_reason)
        if choice.error is not None and is_error(choice.error):
            self._failed = True

    def _decode_odd(self, event: Event) -> Completion:
        """Decode an event that does not match the format. Stop reading if it is not even JSON."""
        try:
            return decode_leniently(event.data)
        except ValueError as error:
            if event.data.strip() == DONE:
                self.done = True
            elif event.name in (b"", b"message"):  # others, such as "ping", are not part of the reply
                start = excerpt(event.data, self._secrets)
                self.break_off(BackendError("upstream", f"The stream cannot be read ({type(error).__name__}): {start}"))
            return Completion(choices=[])

    def _check(self, event: Event, completion: Completion) -> None:
        """Raise ``BackendError`` if an event reports an error, wherever in the event it does so."""
        failed = event.name == ERROR or is_error(completion.error) or self._failed
        if failed or (completion.choices is None and reports_error(event.data)):
            raise from_event(event.data, self._secrets)

    def _take_last(self, event: Event, deltas: Texts) -> None:
        """Take an event that only the end of the body completed; ignore it if it was cut off."""
        if not self._body.json:
            try:
                decode_leniently(event.data)
            except ValueError:  # cut off
                return
        self._take(event, deltas)
        if self._body.json and self.failure is None and not self.begun and self.reason is None:
            raise from_event(event.data, self._secrets)

    def _reads(self, choice: Choice, delta: Delta | None) -> bool:
        """Tell whether to read a choice: only the first that has any content is read, whatever its index."""
        if choice.index is None:
            return True
        if self._index is None and (choice.finish_reason or (delta is not None and _has_content(delta))):
            self._index = choice.index
        return self._index in (None, choice.index)

    def _take_reason(self, word: str) -> None:
        """Record why the model ended. Ignore an unknown word, which does not tell whether the reply is complete."""
        reason = reason_of(word)
        if reason is not None and reason != "other":
            self.reason = reason
            self.heard += 1

    def _say(self, kind: type[Text | Reasoning], text: str, deltas: Texts, *, last: bool = False) -> None:
        if self._odd or self._halves:
            text = self._joined(kind, text, last=last)
        self.begun = True
        if kind is Text and not self._thoughts.over:
            deltas += self._thoughts.split(text)
        elif text:
            deltas.append(kind(text))

    def _joined(self, kind: type[Text | Reasoning], text: str, *, last: bool) -> str:
        """Join the halves of surrogate pairs, and hold back a first half, whose second may be in the next delta."""
        text = self._halves.pop(kind, "") + text
        if not last and "\ud800" <= text[-1:] <= "\udbff":
            self._halves[kind] = text[-1]
            text = text[:-1]
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _content_without_delta(choice: Choice, nothing_read: bool) -> Delta | None:
    """Return the content of a choice without a delta.

    Some endpoints send the whole message again after its deltas: take it only if nothing was read before.
    """
    if choice.text:
        return Delta(content=choice.text)
    return choice.message if nothing_read else None


def _has_content(delta: Delta) -> bool:
    return bool(delta.content or delta.refusal or delta.reasoning_content or delta.reasoning or delta.tool_calls)


def _merge(deltas: Texts) -> Texts:
    return [kind("".join(delta.text for delta in group)) for kind, group in groupby(deltas, type)]
