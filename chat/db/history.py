"""The history that the model reads: one branch of a conversation, in alternating roles."""

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ..models import Conversation, Message
from .calls import answer_messages
from .compiled import columns, select
from .threads import database

GO_ON = "Your last message broke off. Go on exactly where it ended: no introduction, and repeat nothing."
"""The instruction for a model that cannot continue a last message of its own."""

OPENING = "Begin the conversation."
"""The question before a message that the site has posted at the beginning: many models refuse to read anything else."""

TOOL = "tool"
"""The role of the result of a call."""

BATCH = 200
"""How many messages one query reads."""

LAST = 2**63 - 1
"""Higher than the primary key of any message."""

_ROWS = select(
    lambda: (
        Message.objects.filter(conversation_id=1)
        .filter(pk__lt=1)
        .order_by("-pk")
        .values_list("pk", "parent_id", "role", "uid", "text", "has_calls", "status")[:BATCH]
    ),
    columns(Message, "conversation", "id"),
)

Row = tuple[int, int | None, str, str, str, bool, str]


class Branch(NamedTuple):
    """What was read of a branch: messages for the model, the newest first, and what surrounds its tip."""

    messages: list[dict[str, Any]]
    tip: str | None
    """The ``uid`` of the tip."""
    children: tuple[str, ...]
    """The ``uid`` of each question below the tip, oldest first."""
    waits: bool = False
    """Whether the tip waits for a decision."""


def read_branch(
    conversation: int,
    tip: int | None,
    budget: int,
    *,
    below: int = LAST,
    asked: bool = False,
    tools: str | None = None,
) -> Branch:
    """Read a branch from its tip upwards.

    Args:
        conversation: the primary key of the conversation.
        tip: the primary key of the branch's last message; ``None`` for the branch without messages.
        budget: the limit in characters. The oldest messages beyond it are left out, but never the newest question.
        below: only messages whose primary keys are lower are read.
        asked: whether the newest question is not on the branch yet, so that any message may be left out.
        tools: the alias of the backend, if its model can call tools: it reads the calls and their results, too.
    """
    wanted, new = tip, asked
    name: str | None = None
    children: list[str] = []
    messages: list[dict[str, Any]] = []
    with_calls: dict[int, int] = {}
    waits = False
    for pk, parent, role, uid, text, called, status in _rows(conversation, below):
        if parent == tip and role == Message.Role.USER:
            children.append(uid)
        if pk != wanted:
            continue
        name = name or uid
        waits = waits or status == Message.Status.WAITING
        budget -= len(text)
        if budget < 0 and asked:
            break
        if called and tools is not None:
            with_calls[pk] = len(messages)
        if text.strip() or (called and tools is not None):
            messages.append({"role": role, "content": text})
            asked = asked or role == Message.Role.USER
        wanted = parent
        if wanted is None:
            if role == Message.Role.ASSISTANT:
                messages.append({"role": Message.Role.USER, "content": OPENING})
            break
    if with_calls and tools is not None:
        messages = _with_calls(messages, with_calls, budget, tools, asked=new)
    return Branch(messages, name, tuple(reversed(children)), waits)


def _with_calls(
    newest_first: list[dict[str, Any]], places: dict[int, int], budget: int, tools: str, *, asked: bool
) -> list[dict[str, Any]]:
    """Put the messages of the steps in the place of each answer with calls, the newest first.

    An answer whose calls no longer fit the rest of the ``budget`` is left out with what lies before it, unless the
    newest question does: ``asked`` says that this one is not among the messages.
    """
    answers = {places[answer.pk]: answer for answer in Message.objects.filter(pk__in=places)}
    found: list[dict[str, Any]] = []
    for place, message in enumerate(newest_first):
        steps = [message]
        if answer := answers.get(place):
            steps = answer_messages(answer, tools)
            budget -= sum(len(json.dumps(step, ensure_ascii=False)) for step in steps) - len(answer.text)
            if budget < 0 and (asked or any(each["role"] == Message.Role.USER for each in found)):
                break
        found += reversed(steps)
    return found


def _rows(conversation: int, below: int) -> Iterator[Row]:
    """Yield the messages of a conversation, the newest first. A parent is always older than its children."""
    while found := _ROWS.run(database(), conversation, below)[1]:
        yield from found
        if len(found) < BATCH:
            return
        below = found[-1][0]


def history(conversation: Conversation, tip: int, budget: int, tools: str | None = None) -> list[dict[str, Any]]:
    """Read the messages of one branch for a model, oldest first, as ``alternating`` orders them.

    Args:
        conversation: the conversation that the branch belongs to.
        tip: the primary key of the branch's last message.
        budget: the limit of the history in characters. The oldest messages beyond it are left out, but never the newest
            question.
        tools: the alias of the backend, if its model can call tools.

    Returns:
        dicts with ``role`` (``"user"`` or ``"assistant"``) and ``content``; with tools also those of calls and their
        results, as ``backends.base.Request`` describes them.
    """
    return alternating(read_branch(conversation.pk, tip, budget, below=tip + 1, tools=tools).messages)


def alternating(newest_first: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put messages in order, and join neighbours of the same role into one, with a blank line between their texts.

    The list begins with a question, and the roles alternate, because the chat templates of many models refuse anything
    else: an answer without text was left out, and its question is joined with the next one. Messages of tools stay as
    they are.
    """
    turns = list(newest_first)
    while turns and turns[-1]["role"] != Message.Role.USER:
        turns.pop()
    found: list[dict[str, Any]] = []
    for turn in reversed(turns):
        last = found[-1] if found else turn
        if last is not turn and last["role"] == turn["role"] != TOOL and "tool_calls" not in last:
            found[-1] = {**turn, "content": "\n\n".join(filter(None, (last["content"], turn["content"])))}
        else:
            found.append(turn)
    return found
