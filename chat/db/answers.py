"""Writes an answer while it is generated, and its end."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import msgspec
from django.db.models import F, QuerySet
from django.utils import timezone

from ..endings import INTERRUPTED, STOPPED, WAITING, Ending
from ..models import Conversation, Message, ToolCall, Usage
from ..owners import Owner
from ..parts import Part, ToolPart, text_of
from .calls import give_up_calls
from .compiled import FIRST, Append, columns, together, update
from .counters import Reserved, Settlement, settle
from .killed import under_way
from .threads import atomic, database, vendor
from .usage import Calling, store, store_without_answer

State = ToolCall.State

_FINAL = ("parts", "text", "has_calls", "status", "finish_reason", "error", "usage", "calling", "process", "ended_at")
_END = update(Message, columns(Message, *_FINAL), where=columns(Message, "id", "status", "process"))
_FREE = update(
    Conversation,
    columns(Conversation, "running", "unread", "updated_at"),
    where=columns(Conversation, "running"),
)
_KEEP = Append(Usage, source=FIRST)
_END_AND_FREE = together(_END, _FREE)
_END_FREE_AND_KEEP = together(_END, _FREE, _KEEP)


@dataclass(frozen=True, slots=True)
class Written:
    """The content of an answer so far, for a checkpoint or for its end."""

    answer_id: int
    parts: tuple[Part, ...]

    @property
    def columns(self) -> dict[str, Any]:
        """Return the columns of a message that hold its content."""
        parts = msgspec.to_builtins(self.parts)
        return {"parts": parts, "text": text_of(self.parts), "has_calls": self.has_calls}

    @property
    def has_calls(self) -> bool:
        """Tell whether the answer has used tools."""
        return any(isinstance(part, ToolPart) for part in self.parts)

    @property
    def length(self) -> int:
        """Count the characters of its texts. Calls do not count: their rows are the truth."""
        return sum(len(part.text) for part in self.parts if not isinstance(part, ToolPart))


@dataclass(frozen=True, slots=True)
class End:
    """How an answer ended, and what it used, as the model's endpoint reported it."""

    ending: Ending
    usage: dict[str, Any] | None = None
    calls: tuple[Usage, ...] = ()
    """The calls of the model that the ledger does not have yet."""
    reserved: tuple[Reserved, ...] = ()
    """What was taken from counters of limits for them."""

    @property
    def columns(self) -> dict[str, Any]:
        """Return the columns of a message that record its end."""
        return {
            "status": self.ending.status,
            "finish_reason": self.ending.finish_reason,
            "error": self.ending.error,
            "usage": self.usage,
            "calling": None,
            "process": None,
            "ended_at": timezone.now(),
        }


@atomic
def finish(process: str, written: Written, end: End) -> bool:
    """Write an answer's final state and free its conversation; return ``False`` if another process has ended it.

    If an earlier call was committed but not acknowledged, it finds the same state stored and returns ``True``.
    """
    final = {**written.columns, **end.columns}
    ended = (*(final[name] for name in _FINAL), written.answer_id, Message.Status.RUNNING, process)
    freed = (None, True, timezone.now(), written.answer_id)
    alias, calls = database(), end.calls
    if vendor(alias) == "postgresql" and len(calls) == 1:
        _, ((taken,),) = _END_FREE_AND_KEEP.run(alias, *ended, *freed, *_KEEP.values(calls[0]))
    elif vendor(alias) == "postgresql":
        _, ((taken,),) = _END_AND_FREE.run(alias, *ended, *freed)
        store(calls if taken else ())
    else:
        taken, _ = _END.run(alias, *ended)
        _FREE.run(alias, *freed)
        store(calls if taken else ())
    if taken and written.has_calls:
        give_up_calls([written.answer_id], waiting=end.ending is WAITING)
    if taken:
        settle((end.reserved, calls))
    return bool(taken) or _is_ended(written, end)


def _is_ended(written: Written, end: End) -> bool:
    """Tell whether an answer that this process no longer writes has the end that was to be written.

    One that is gone has used what it has used.
    """
    stored = Message.objects.filter(pk=written.answer_id).values_list("status", "text").first()
    if stored is None:
        store_without_answer(end.calls, end.reserved)
    return stored == (end.ending.status, text_of(written.parts))


def give_up(answer_id: int, calls: Collection[Usage], reserved: Collection[Reserved]) -> None:
    """Keep the calls of an answer that this process has given up, if it was deleted. Otherwise its new process does."""
    if (calls or reserved) and not Message.objects.filter(pk=answer_id).exists():
        store_without_answer(calls, reserved)


@atomic
def interrupt(answer_ids: Collection[int]) -> int:
    """End running answers as interrupted, with the text of their last checkpoints; return how many there were.

    Those that have asked the visitor something wait for the decision.
    """
    running = _locked(answer_ids)
    waiting = _undecided(running)
    messages = list(running.select_related("conversation"))
    settlements = [_interrupt(message, WAITING if message.pk in waiting else INTERRUPTED) for message in messages]
    _free(answer_ids)
    settle(*settlements)
    return len(messages)


def _locked(answer_ids: Collection[int]) -> QuerySet[Message]:
    """Return those of the answers that still run. Begins with a write: from then on, nobody else ends them."""
    running = Message.objects.filter(pk__in=answer_ids, status=Message.Status.RUNNING)
    running.update(stopping=F("stopping"))
    return running


def _interrupt(message: Message, ending: Ending, stream: Written | None = None) -> Settlement:
    """End a running answer whose process no longer writes it, with the text of a stream or of its last checkpoint.

    Return what is to be settled: what was reserved for a call of the model, and that call.
    """
    columns = {**(stream.columns if stream else {}), **End(ending).columns}
    call = under_way(message, columns.get("parts", message.parts))
    Message.objects.filter(pk=message.pk).update(**columns)
    give_up_calls([message.pk], waiting=ending is WAITING)
    calls = [call] if call else []
    store(calls)
    calling = Calling.of(message)
    return (calling.reserved if calling else ()), calls


def _undecided(answers: QuerySet[Message]) -> set[int]:
    """Return those of the answers with calls that wait for a decision, or for being carried out after one."""
    calls = ToolCall.objects.filter(message__in=answers.exclude(stopping=True), state__in=(State.ASKED, State.ALLOWED))
    return set(calls.values_list("message_id", flat=True))


@atomic
def interrupt_with(stream: Written) -> Message | None:
    """End a running answer with its last checkpoint or the text of its stream, whichever is longer.

    One that has asked the visitor something waits for the decision.

    Return the answer as it is stored now, with its conversation, even if another process had ended it; ``None`` if it
    was deleted.
    """
    running = _locked([stream.answer_id])
    found = Message.objects.select_related("conversation").filter(pk=stream.answer_id)
    message = found.first()
    if message is None or message.status != Message.Status.RUNNING:
        return message
    # With equal texts the stream may also have how long the reasoning took.
    longer = stream.length >= sum(len(part.get("text", "")) for part in message.parts)
    ending = STOPPED if message.stopping else WAITING if _undecided(running) else INTERRUPTED
    settlement = _interrupt(message, ending, stream if longer else None)
    _free([message.pk])
    settle(settlement)
    return found.first()


def ask_to_stop(answer_id: int) -> None:
    """Mark a running answer as one to stop; its process sees the mark with its next heartbeat."""
    Message.objects.filter(pk=answer_id, status=Message.Status.RUNNING).update(stopping=True)


def ended_of(runs: Collection[tuple[int, int]]) -> dict[tuple[int, int], Message | None]:
    """Return the answers of those runs that have ended; ``None`` stands for one that was deleted.

    A run is named by the primary key of its answer and its number.
    """
    running = Message.objects.filter(pk__in={answer_id for answer_id, _ in runs}, status=Message.Status.RUNNING)
    ended = set(runs) - set(running.values_list("pk", "run"))  # the texts of the others need not be read
    found = Message.objects.in_bulk({answer_id for answer_id, _ in ended})
    return {run: found.get(run[0]) for run in ended}


def running_of(runs: Collection[tuple[int, int]]) -> dict[tuple[int, int], Message]:
    """Return the answers of those runs that have not ended, as their last checkpoints have them."""
    found = Message.objects.filter(pk__in={answer_id for answer_id, _ in runs}, status=Message.Status.RUNNING)
    return {(message.pk, message.run): message for message in found}


def last_answer(owner: Owner, uid: str) -> Message | None:
    """Return the answer at the tip of one of the owner's conversations, ``None`` if there is none."""
    tip = owner.conversations.filter(uid=uid).values("tip")
    return Message.objects.filter(pk__in=tip, role=Message.Role.ASSISTANT).first()


def is_stopping(owner: Owner, uid: str) -> bool | None:
    """Tell whether the running answer of a conversation has been asked to stop; ``None`` if none is running."""
    running = owner.conversations.filter(uid=uid, running__isnull=False)
    return running.values_list("running__stopping", flat=True).first()


def _free(answer_ids: Collection[int]) -> None:
    ended = Conversation.objects.filter(running__in=answer_ids)
    ended.update(running=None, unread=True, updated_at=timezone.now())
