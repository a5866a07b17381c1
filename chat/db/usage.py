"""Stores what the calls of models have used, and notes the call that is under way with the answer it is for."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from django.apps import apps
from django.db import router
from django.db.models import F

from ..conf import conf
from ..models import Conversation, Message, Usage
from ..owners import Owner
from ..parts import TOOL
from ..tokens import estimated, estimated_input
from .compiled import Append
from .counters import Charge, Reserved, reservable, settle, take
from .threads import atomic, database
from .values import Press, Writer

_STORE = Append(Usage)


class Calling(msgspec.Struct, frozen=True, omit_defaults=True):
    """A call of a model that is under way, or follows at once, as ``Message.calling`` has it.

    It is all that is known of the call if its process dies.

    Attributes:
        backend: the alias of the backend.
        step: the number of the step.
        input: an estimate of what the model reads, in tokens, without the results of the step before.
        begun: an estimate of the text that the step begins with, because another answer is continued.
        url: the address of the endpoint, if the site has set one.
        reserved: what was taken from counters of limits for it.
    """

    backend: str
    step: int
    input: int
    begun: int = 0
    url: str = ""
    reserved: tuple[Reserved, ...] = ()

    @property
    def noted(self) -> dict[str, Any]:
        """Return the value for the column."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found

    @classmethod
    def of(cls, answer: Message) -> "Calling | None":
        """Return the call of an answer, ``None`` if none is under way."""
        return None if answer.calling is None else msgspec.convert(answer.calling, cls)


class Beginning(NamedTuple):
    """The first call of a new answer, as its column has it, and what the limits take for it and its question."""

    noted: dict[str, Any] | None
    charges: list[Charge]


def first_call(
    writer: Writer,
    messages: Iterable[Mapping[str, Any]],
    press: Press | None = None,
    begun: Sequence[Mapping[str, Any]] = (),
) -> Beginning:
    """Return the first call of the model for a new answer. There is none if a button wants no answer.

    Args:
        writer: the backend that is called.
        messages: what the model reads, without its instructions.
        press: the button that was pressed, whose call is the first step.
        begun: the parts that the answer begins with.
    """
    if press is not None and not press.answers:
        return Beginning(None, [])
    read = estimated_input(messages)
    charges = writer.meter.charges(read, answers=1) if writer.meter else []
    step, continued = int(press is not None), estimated_output(begun)
    call = Calling(writer.backend, step, read, continued, writer.url, tuple(reservable(charges)))
    return Beginning(call.noted, charges)


def next_call(answer: Message, writer: Writer, messages: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the call that follows when an answer goes on after a decision."""
    read = estimated_input(messages) + sum(estimated(part["text"]) for part in answer.parts if part["type"] != TOOL)
    step = 1 + max((call.step for call in answer.calls.values()), default=0)
    return Calling(writer.backend, step, read, url=writer.url).noted


def following_call(call: Usage, url: str) -> dict[str, Any]:
    """Return the call that follows the one of a step that has called tools, with the same backend."""
    read = (call.input_tokens or 0) + (call.output_tokens or 0)
    return Calling(call.backend, call.step + 1, read, url=url).noted


@atomic
def reserve(process: str, answer_id: int, call: Calling, charges: Sequence[Charge]) -> bool:
    """Take from the counters what the next call of an answer may use, and note it with the answer.

    Return ``False`` if the answer no longer belongs to this process. Raises ``Refusal`` if there is not enough left.
    """
    mine = Message.objects.filter(pk=answer_id, status=Message.Status.RUNNING, process_id=process)
    if not mine.update(stopping=F("stopping")):  # begins with a write
        return False
    answer = mine.only("calling").first()
    if answer is not None and Calling.of(answer) != call:  # else it was committed, and not acknowledged
        mine.update(calling=call.noted)
        take(charges)
    return True


def estimated_output(parts: Sequence[Mapping[str, Any]]) -> int:
    """Estimate the tokens of the texts at the end of an answer, after the last call of a tool."""
    last = max((place for place, part in enumerate(parts) if part["type"] == TOOL), default=-1)
    return sum(estimated(part["text"]) for part in parts[last + 1 :])


def store(calls: Iterable[Usage]) -> None:
    """Store calls of models, in a transaction in which their answer is there. One that is stored already stays."""
    alias = database()
    for call in calls:
        _STORE.run(alias, *_STORE.values(call))


@atomic
def store_without_answer(calls: Collection[Usage], reserved: Iterable[Reserved]) -> None:
    """Store calls of models whose answer was deleted, and settle what was reserved.

    If nothing else is left of their owner, everything about the owner was erased, so they do not name the owner either.
    """
    for call in calls:
        call.message_id = None
        if not _is_left(call):
            call.user_id, call.owner = None, ""
    store(calls)
    settle((reserved, calls))


@atomic
def begin_title(call: Usage, charges: Sequence[Charge]) -> None:
    """Store the call of a model for a title before it is made: nothing else tells of it if the process dies.

    Then what was taken from the counters stays taken, as an estimate. Raises ``Refusal`` if there is not enough left.
    """
    call.save(force_insert=True)
    take(charges)


@atomic
def end_title(call: Usage, charges: Sequence[Charge]) -> None:
    """Store what the call for a title has used, and settle what was taken for it."""
    names = ("outcome", "source", "cost", "currency", "prices", *_COUNTS)
    Usage.objects.filter(pk=call.pk).update(**{name: getattr(call, name) for name in names})
    settle((reservable(charges), [call]))


_COUNTS = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")


def erase_user(user: Any) -> None:
    """Keep the rows of a user, without the user and the owner's key."""
    Usage.objects.filter(user=user).update(user=None, owner="")


def _is_left(call: Usage) -> bool:
    """Tell whether the owner of a call has conversations, and its account, if it is a user's, is there."""
    if call.user_id is None:
        return not Owner(call.owner).is_listed or Conversation.objects.filter(owner=call.owner).exists()
    model = apps.get_model(conf.user_model)
    account = model._base_manager.using(router.db_for_write(model)).filter(pk=call.user_id)
    return bool(account.exists() and Conversation.objects.filter(user=call.user_id).exists())
