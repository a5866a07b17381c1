"""The calls of an answer's tools: their rows, and the messages in which a model reads them."""

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from ..chunks import (
    Chunk,
    QuestionData,
    ToolApproval,
    ToolDenied,
    ToolInput,
    ToolOutput,
    ToolOutputError,
    ToolQuestion,
)
from ..managers import uids_in
from ..models import Message, ToolCall, Usage
from ..parts import TOOL, ToolPart, is_text
from ..sources import with_numbers, without_marks
from .counters import Reserved, settle
from .sources import numbers_of
from .threads import atomic
from .usage import store

UNKNOWN = "It is not known whether this call took effect."
"""What the model and the visitor read about a call that was given up."""

DECLINED = "The user declined this call."
LATE = "Nobody answered in time."
"""What the model reads about a call that was denied, and about one that was not answered in time."""

UID_LENGTH = 9
"""Characters of an id that another endpoint gets for a call. Mistral accepts no other length."""

State = ToolCall.State
RUNNING = Message.Status.RUNNING


@atomic
def begin_calls(
    process: str,
    answer_id: int,
    columns: dict[str, Any],
    calls: Sequence[ToolCall],
    made: Sequence[Usage] = (),
    reserved: Sequence[Reserved] = (),
) -> bool:
    """Store the calls of a step before any of them runs, together with the ``columns`` of the answer so far.

    Return ``False`` if the answer no longer belongs to this process. Storing the same calls again changes nothing.
    ``made`` are the calls of the model in this step, for which ``reserved`` was taken from counters of limits.
    """
    mine = Message.objects.filter(pk=answer_id, status=RUNNING, process_id=process).update(**columns)
    if not mine:
        return False
    if not ToolCall.objects.filter(uid=calls[0].uid).exists():
        ToolCall.objects.bulk_create(calls)
        store(made)
        settle((reserved, made))
    return True


@atomic
def begin_allowed(process: str, answer_id: int, calls: Sequence[ToolCall]) -> bool:
    """Store that calls begin that the visitor has allowed, and that others have failed: those that no longer fit.

    Return ``False`` if the answer no longer belongs to this process. Storing the same calls again changes nothing.
    """
    mine = Message.objects.filter(pk=answer_id, status=RUNNING, process_id=process)
    if not mine.update(has_calls=True):
        return False
    allowed = ToolCall.objects.filter(message_id=answer_id, state=State.ALLOWED)
    begun = [call.uid for call in calls if call.state == State.RUNNING]
    allowed.filter(uid__in=begun).update(state=State.RUNNING, started_at=timezone.now())
    for call in calls:
        if call.state == State.FAILED:
            allowed.filter(uid=call.uid).update(state=call.state, error=call.error, ended_at=timezone.now())
    return True


def end_call(call: ToolCall) -> bool:
    """Store how a call ended; return ``False`` if another process has given it up meanwhile."""
    ended = {"state": call.state, "output": call.output, "error": call.error, "ended_at": timezone.now()}
    if ToolCall.objects.filter(uid=call.uid, state=State.RUNNING).update(**ended):
        return True
    return ToolCall.objects.filter(uid=call.uid, state=call.state).exists()


def give_up_calls(answer_ids: Collection[int], *, waiting: bool = False) -> None:
    """End the running calls of answers as unknown, and see that the parts of the answers name all of their calls.

    Calls that nobody has allowed yet, or that had not begun, end as denied, unless the answers are ``waiting`` for
    them. A checkpoint that was made before a call began, and written after it, lacks the call.
    """
    calls = ToolCall.objects.filter(message_id__in=answer_ids).order_by("pk")
    named: dict[int, list[str]] = {}
    for answer_id, uid in calls.values_list("message_id", "uid"):
        named.setdefault(answer_id, []).append(uid)
    if not named:
        return
    unknown = {"state": State.UNKNOWN, "error": UNKNOWN, "ended_at": timezone.now()}
    calls.filter(state=State.RUNNING).update(**unknown)
    if not waiting:
        deny(calls)
    for answer_id, parts in Message.objects.filter(pk__in=named).values_list("pk", "parts"):
        if missing := [uid for uid in named[answer_id] if uid not in uids_in(parts)]:
            whole = [*parts, *({"type": TOOL, "call": uid} for uid in missing)]
            Message.objects.filter(pk=answer_id).update(parts=whole, has_calls=True)


def deny(calls: QuerySet[ToolCall], by: str = "") -> None:
    """End the calls that wait for a decision, and those that had not begun, because the answer goes no further.

    ``by`` is the key of the owner whose next request leaves them behind.
    """
    ended = timezone.now()
    late = calls.filter(state=State.ASKED, expires_at__lte=ended)
    late.update(state=State.EXPIRED, error=LATE, ended_at=ended)
    denied = {"state": State.DENIED, "error": DECLINED, "ended_at": ended}
    calls.filter(state=State.ASKED).update(decided_at=ended, decided_by=by, **denied)
    calls.filter(state=State.ALLOWED).update(**denied)  # who had allowed it stays known


def begun_chunk(call: ToolCall) -> Chunk:
    """Return the chunk of the beginning of a call."""
    return ToolInput(call.uid, call.name, call.input)


def asked_chunks(call: ToolCall) -> list[Chunk]:
    """Return the chunks of the question about a call; none if the visitor was not asked.

    They follow the results of the other calls of the step.
    """
    if not call.question:
        return []
    return [_question(call), ToolApproval(call.uid, call.uid)]


def _question(call: ToolCall) -> ToolQuestion:
    expires = call.expires_at.timestamp() if call.expires_at else None
    return ToolQuestion(QuestionData(call.uid, call.question, expires, call.state == State.EXPIRED))


def ended_chunks(call: ToolCall) -> list[Chunk]:
    """Return the chunks of the end of a call; none if it has not ended."""
    if not call.is_over:
        return []
    if call.state == State.EXPIRED:
        return [_question(call), ToolDenied(call.uid)]
    if call.state == State.DENIED:
        return [ToolDenied(call.uid)]
    if call.state == State.DONE:
        return [ToolOutput(call.uid, without_marks(call.output))]
    return [ToolOutputError(call.uid, call.error)]


def answer_messages(message: Message, backend: str) -> list[dict[str, Any]]:
    """Return the messages in which a model reads an answer with calls: its texts, its calls and their results.

    Calls whose rows are missing, or that have not ended, are left out.
    """
    found: list[dict[str, Any]] = []
    texts: list[str] = []
    numbers = numbers_of(message)
    for calls, part in _grouped(message):
        if part is not None:
            texts.append(part["text"])
        else:
            found += call_messages("\n\n".join(texts), calls, backend, numbers=numbers)
            texts.clear()
    if any(text.strip() for text in texts):
        found.append({"role": "assistant", "content": "\n\n".join(texts)})
    return found


def _grouped(message: Message) -> Iterator[tuple[list[ToolCall], dict[str, Any] | None]]:
    """Yield the texts of an answer, and between them the calls of each step together."""
    step: list[ToolCall] = []
    for part in message.parts:
        call = message.calls.get(part["call"]) if part["type"] == TOOL else None
        if call is not None and not call.is_over:
            continue
        if step and (is_text(part) or (call is not None and call.step != step[-1].step)):
            yield step, None
            step = []
        if call is not None:
            step.append(call)
        elif is_text(part):
            yield [], part
    if step:
        yield step, None


def call_messages(
    text: str, calls: Sequence[ToolCall], backend: str, reasoning: str = "", *, numbers: Mapping[str, int]
) -> list[dict[str, Any]]:
    """Return the messages of one step: the model's own, with the calls that it asked for, and their results.

    Args:
        text: what the model wrote before the calls.
        calls: the calls, all of which have ended.
        backend: the alias of the backend that reads them. It gets its own ids back, another one gets others.
        reasoning: the model's reasoning in this step.
        numbers: those of the answer's sources, by their URLs.
    """
    ids = [_id(call, backend) for call in calls]
    if len(set(ids)) < len(ids):  # some endpoints give several calls the same id
        ids = [_id(call, "") for call in calls]
    asked: dict[str, Any] = {"role": "assistant", "content": text}
    if reasoning:
        asked["reasoning_content"] = reasoning
    asked["tool_calls"] = [_asked(call, known, backend) for call, known in zip(calls, ids, strict=True)]
    results = [
        {"role": "tool", "tool_call_id": known, "content": result_text(call, numbers)}
        for call, known in zip(calls, ids, strict=True)
    ]
    return [asked, *results]


def _id(call: ToolCall, backend: str) -> str:
    """Return the id of a call for a backend."""
    if call.model_id and call.backend == backend:
        return call.model_id
    return hashlib.sha256(call.uid.encode()).hexdigest()[:UID_LENGTH]


def _asked(call: ToolCall, known: str, backend: str) -> dict[str, Any]:
    extra = call.extra if call.backend == backend else {}
    arguments = json.dumps(call.input, ensure_ascii=False)
    return {**extra, "id": known, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def result_text(call: ToolCall, numbers: Mapping[str, int]) -> str:
    """Return what the model reads as the result of a call, with the numbers of its sources."""
    if call.state != State.DONE:
        return call.error or UNKNOWN
    output = with_numbers(call.output, numbers)
    return output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)


def steps_of(message: Message) -> list[tuple[str, list[ToolCall], str]]:
    """Return the steps of an answer that have called tools: their texts, their calls, their reasoning.

    Calls that have not ended are included. What follows the last call is not.
    """
    steps: list[tuple[str, list[ToolCall], str]] = []
    texts: list[str] = []
    thoughts: list[str] = []
    for part in message.parts:
        call = message.calls.get(part["call"]) if part["type"] == TOOL else None
        if call is not None and not texts and not thoughts and steps and steps[-1][1][-1].step == call.step:
            steps[-1][1].append(call)
        elif call is not None:
            steps.append(("\n\n".join(texts), [call], "".join(thoughts)))
            texts, thoughts = [], []
        elif part["type"] != TOOL:
            (texts if is_text(part) else thoughts).append(part["text"])
    return steps


def part_of(call: ToolCall) -> ToolPart:
    """Return the part of an answer that names a call."""
    return ToolPart(call.uid)
