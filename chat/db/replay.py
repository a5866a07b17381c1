"""Makes the chunks of a stream from a stored answer: all of them, or those that a reader is missing."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeGuard, cast

from ..chunks import (
    Chunk,
    Closing,
    FinishStep,
    NextRun,
    PartDelta,
    PartEnd,
    SourceUrl,
    Start,
    StartStep,
    ToolApproval,
    ToolDenied,
    ToolInput,
    ToolOutput,
    ToolOutputError,
)
from ..endings import Ending, by_columns
from ..models import Message, ToolCall
from ..parts import KINDS, TOOL, Kind, Part, ToolPart, kind_of, started_by
from ..sources import source_chunk
from .calls import asked_chunks, begun_chunk, ended_chunks
from .sources import sources_by_part


def ending_of(message: Message) -> Ending:
    """Return how a stored answer ended; one that is running but has no stream counts as interrupted."""
    return by_columns(message.status, message.finish_reason, message.error)


def replay(message: Message) -> list[Chunk]:
    """Return all chunks of an answer that has ended, as the database has it."""
    return cast(list[Chunk], remainder(message, ()))


def replay_since(message: Message, call: str) -> list[Chunk]:
    """Return what a stored answer has gained since the visitor was asked about a call, for a client that was there.

    If it waits for another decision about the same step, that is nothing.
    """
    last = max(found.step for found in message.calls.values())
    if message.status == Message.Status.WAITING and message.calls[call].step == last:
        return []
    gained = Gained(message, call)
    return [Start(message.uid), *filter(gained.includes, replay(message))]


class Gained:
    """Tells of each chunk of an answer, in their order, whether it came after the question about a call.

    The client has what came before, including the other questions of that step.
    """

    def __init__(self, message: Message, call: str) -> None:
        self._step = message.calls[call].step
        self._asked = {uid for uid, found in message.calls.items() if found.question and found.step == self._step}
        self._begun = 0
        """How many steps have begun."""
        self._is_past = False
        """Whether the step has ended for good, so that all that follows is new."""
        self._is_result = False

    def includes(self, chunk: Chunk) -> bool:
        """Tell whether the next chunk is new to the client."""
        self._begun += isinstance(chunk, StartStep)
        self._is_past |= isinstance(chunk, NextRun | Closing) or self._begun > self._step + 1
        more = self._is_result and isinstance(chunk, SourceUrl)
        self._is_result = more or (is_final(chunk) and chunk.tool_call_id in self._asked)
        return self._is_past or self._is_result


def remainder(message: Message, held: Sequence[Chunk]) -> list[Chunk] | None:
    """Return the chunks that follow ``held`` in the stream of an answer that has ended.

    Return ``None`` if the stored answer does not begin with ``held``: then only the whole answer can replace them.
    """
    if held and isinstance(held[-1], Closing):
        return []
    found = _gained(message, held)
    return None if found is None else [*found, *_closing(message, found or held)]


def gained_until_now(message: Message, held: Sequence[Chunk]) -> list[Chunk] | None:
    """Return the chunks that follow ``held`` as far as the last checkpoint of a running answer has them.

    Its last text may still grow. Return ``None`` if the checkpoint does not begin with ``held``.
    """
    found = _gained(message, held)
    if found and isinstance(found[-1], PartEnd):
        del found[-1]
    return found


def _gained(message: Message, held: Sequence[Chunk]) -> list[Chunk] | None:
    """Return the chunks of a stored answer that follow ``held``, without its ending; ``None`` as in ``remainder``."""
    parts = parts_of(held)
    if len(parts) > len(message.parts):
        return None
    for part, stored in zip(parts, message.parts, strict=False):
        if not _begins_with(stored, part, whole=part is not parts[-1]):
            return None
    return [*_opening(message, held), *_rest(message, parts, held)]


def _begins_with(stored: dict[str, Any], part: Part, *, whole: bool) -> bool:
    """Tell whether a stored part begins with one that was read, or is the same if that was ``whole``."""
    if isinstance(part, ToolPart):
        return stored == {"type": TOOL, "call": part.call}
    if stored["type"] != kind_of(part).name:
        return False
    return stored["text"] == part.text if whole else str(stored["text"]).startswith(part.text)


def parts_of(held: Sequence[Chunk]) -> tuple[Part, ...]:
    """Return the parts of an answer, as far as the first chunks of its stream contain them."""
    parts: list[tuple[Kind, list[str]] | ToolPart] = []
    seconds: dict[int, float | None] = {}
    for chunk in held:
        if isinstance(chunk, PartDelta):
            part = parts[int(chunk.id)]
            if not isinstance(part, ToolPart):
                part[1].append(chunk.delta)
        elif isinstance(chunk, PartEnd):
            seconds[int(chunk.id)] = chunk.seconds
        elif isinstance(chunk, ToolInput):
            parts.append(ToolPart(chunk.tool_call_id))
        elif kind := started_by(chunk):
            parts.append((kind, []))
    return tuple(
        part if isinstance(part, ToolPart) else part[0].stored("".join(part[1]), seconds.get(index))
        for index, part in enumerate(parts)
    )


def _opening(message: Message, held: Sequence[Chunk]) -> Iterator[Chunk]:
    if not held:
        yield Start(message.uid)
    if len(held) < 2:
        yield StartStep()


def _rest(message: Message, parts: tuple[Part, ...], held: Sequence[Chunk]) -> Iterator[Chunk]:
    """Yield the chunks that are not in ``held``: of texts, of calls, and between the steps."""
    step = 0
    begun, ended = _steps(held)
    calls = {chunk.tool_call_id for chunk in held if is_final(chunk)}
    asked = {chunk.tool_call_id for chunk in held if isinstance(chunk, ToolApproval)}
    known = {chunk.source_id for chunk in held if isinstance(chunk, SourceUrl)}
    before: ToolCall | None = None
    results: list[Chunk] = []  # the calls of a step begin together
    questions: list[Chunk] = []  # behind the results
    for index, (part, found) in enumerate(zip(message.parts, sources_by_part(message), strict=True)):
        call = message.calls.get(part["call"]) if part["type"] == TOOL else None
        if before is not None and (call is None or call.step != before.step):
            yield from (*results, *questions)
            results.clear()
            questions.clear()
            step += 1
            if ended < step:
                yield FinishStep()
            if begun < step + 1:
                yield StartStep()
        before = call
        if call is not None:
            if index >= len(parts):
                yield begun_chunk(call)
            if call.uid not in asked:
                questions += asked_chunks(call)
            new: list[Chunk] = [] if call.uid in calls else ended_chunks(call)
            new += [chunk for chunk in map(source_chunk, found) if chunk.source_id not in known]
            (questions if call.question else results).extend(new)
        elif part["type"] != TOOL:
            yield from _rest_of_text(index, part, parts, held)
    yield from (*results, *questions)


def _steps(held: Sequence[Chunk]) -> tuple[int, int]:
    """Count the steps that have begun and those that have ended."""
    return sum(isinstance(chunk, StartStep) for chunk in held), sum(isinstance(chunk, FinishStep) for chunk in held)


def is_final(chunk: Chunk) -> TypeGuard[ToolOutput | ToolOutputError | ToolDenied]:
    """Tell whether a chunk ends a call."""
    return isinstance(chunk, ToolOutputError | ToolDenied) or (isinstance(chunk, ToolOutput) and not chunk.preliminary)


def _rest_of_text(index: int, part: dict[str, Any], parts: tuple[Part, ...], held: Sequence[Chunk]) -> Iterator[Chunk]:
    """Yield the chunks of a part's text that are not in ``held``, in which ``parts`` have begun."""
    kind, name, known = KINDS[part["type"]], str(index), 0
    if index < len(parts):
        if index < len(parts) - 1 or any(isinstance(chunk, PartEnd) and chunk.id == name for chunk in held):
            return
        known = len(getattr(parts[index], "text", ""))
    else:
        yield kind.start(name)
    if text := part["text"][known:]:
        yield kind.delta(name, text)
    yield kind.finish(name, part.get("seconds"))


def _closing(message: Message, before: Sequence[Chunk]) -> Iterator[Chunk]:
    ending = ending_of(message)
    if ending.finish_reason and not isinstance(before[-1], FinishStep):
        yield FinishStep()
    yield ending.chunk
