"""Stores what the calls of models have used, and notes the call that is under way with the answer it is for."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from django.apps import apps
from django.db import router

from ..conf import conf
from ..models import Message, Usage
from ..parts import TOOL
from ..tokens import estimated, estimated_input
from .compiled import Append
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
    """

    backend: str
    step: int
    input: int
    begun: int = 0
    url: str = ""


def first_call(
    writer: Writer,
    messages: Iterable[Mapping[str, Any]],
    press: Press | None = None,
    begun: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any] | None:
    """Return the first call of the model for a new answer; ``None`` if a button wants no answer.

    Args:
        writer: the backend that is called.
        messages: what the model reads, without its instructions.
        press: the button that was pressed, whose call is the first step.
        begun: the parts that the answer begins with.
    """
    if press is not None and not press.answers:
        return None
    continued = estimated_output(begun)
    call = Calling(writer.backend, int(press is not None), estimated_input(messages), continued, writer.url)
    return _noted(call)


def next_call(answer: Message, writer: Writer, messages: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the call that follows when an answer goes on after a decision."""
    read = estimated_input(messages) + sum(estimated(part["text"]) for part in answer.parts if part["type"] != TOOL)
    step = 1 + max((call.step for call in answer.calls.values()), default=0)
    return _noted(Calling(writer.backend, step, read, url=writer.url))


def following_call(call: Usage, url: str) -> dict[str, Any]:
    """Return the call that follows the one of a step that has called tools, with the same backend."""
    read = (call.input_tokens or 0) + (call.output_tokens or 0)
    return _noted(Calling(call.backend, call.step + 1, read, url=url))


def _noted(call: Calling) -> dict[str, Any]:
    noted: dict[str, Any] = msgspec.to_builtins(call)
    return noted


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
def store_without_answer(calls: Collection[Usage]) -> None:
    """Store calls of models whose answer was deleted, and perhaps their user, too."""
    for call in calls:
        call.message_id = None
        if call.user_id is not None and not _is_there(call.user_id):
            call.user_id, call.owner = None, ""
    store(calls)


def begin_title(call: Usage) -> None:
    """Store the call of a model for a title before it is made: nothing else tells of it if the process dies."""
    call.save(force_insert=True)


def end_title(call: Usage) -> None:
    """Store what the call for a title has used."""
    names = ("outcome", "source", "cost", "currency", "prices", *_COUNTS)
    Usage.objects.filter(pk=call.pk).update(**{name: getattr(call, name) for name in names})


_COUNTS = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")


def erase_user(user: Any) -> None:
    """Keep the rows of a user, without the user and the owner's key."""
    Usage.objects.filter(user=user).update(user=None, owner="")


def _is_there(user: Any) -> bool:
    model = apps.get_model(conf.user_model)
    return bool(model._base_manager.using(router.db_for_write(model)).filter(pk=user).exists())
