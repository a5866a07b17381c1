"""The history that the model reads: one branch of a conversation, in alternating roles."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from ..models import Conversation, Message
from .compiled import columns, select
from .threads import database

GO_ON = "Your last message broke off. Go on exactly where it ended: no introduction, and repeat nothing."
"""The instruction for a model that cannot continue a last message of its own."""

BATCH = 200
"""How many messages one query reads."""

LAST = 2**63 - 1
"""Higher than the primary key of any message."""

_ROWS = select(
    lambda: (
        Message.objects.filter(conversation_id=1)
        .filter(pk__lt=1)
        .order_by("-pk")
        .values_list("pk", "parent_id", "role", "uid", "text")[:BATCH]
    ),
    columns(Message, "conversation", "id"),
)

Row = tuple[int, int | None, str, str, str]


class Branch(NamedTuple):
    """What was read of a branch: messages for the model, the newest first, and what surrounds its tip."""

    messages: list[dict[str, str]]
    tip: str | None
    """The ``uid`` of the tip."""
    children: tuple[str, ...]
    """The ``uid`` of each question below the tip, oldest first."""


def read_branch(conversation: int, tip: int | None, budget: int, *, below: int = LAST, asked: bool = False) -> Branch:
    """Read a branch from its tip upwards.

    Args:
        conversation: the primary key of the conversation.
        tip: the primary key of the branch's last message; ``None`` for the branch without messages.
        budget: the limit in characters. The oldest messages beyond it are left out, but never the newest question.
        below: only messages whose primary keys are lower are read.
        asked: whether the newest question is not on the branch yet, so that any message may be left out.
    """
    wanted = tip
    name: str | None = None
    children: list[str] = []
    messages: list[dict[str, str]] = []
    for pk, parent, role, uid, text in _rows(conversation, below):  # a parent is always older than its child
        if parent == tip and role == Message.Role.USER:
            children.append(uid)
        if pk != wanted:
            continue
        name = name or uid
        budget -= len(text)
        if budget < 0 and asked:
            break
        if text.strip():
            messages.append({"role": role, "content": text})
            asked = asked or role == Message.Role.USER
        wanted = parent
        if wanted is None:
            break
    return Branch(messages, name, tuple(reversed(children)))


def _rows(conversation: int, below: int) -> Iterator[Row]:
    """Yield the messages of a conversation, the newest first."""
    while found := _ROWS.run(database(), conversation, below)[1]:
        yield from found
        if len(found) < BATCH:
            return
        below = found[-1][0]


def history(conversation: Conversation, tip: int, budget: int) -> list[dict[str, str]]:
    """Read the messages of one branch for a model, oldest first, as ``alternating`` orders them.

    Args:
        conversation: the conversation that the branch belongs to.
        tip: the primary key of the branch's last message.
        budget: the limit of the history in characters. The oldest messages beyond it are left out, but never the newest
            question.

    Returns:
        dicts with ``role`` (``"user"`` or ``"assistant"``) and ``content``.
    """
    return alternating(read_branch(conversation.pk, tip, budget, below=tip + 1).messages)


def alternating(newest_first: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    """Put messages in order, and join neighbours of the same role into one, with a blank line between their texts.

    The list begins with a question, and the roles alternate, because the chat templates of many models refuse anything
    else: an answer without text was left out, and its question is joined with the next one.
    """
    turns = list(newest_first)
    while turns and turns[-1]["role"] != Message.Role.USER:
        turns.pop()
    return [
        {"role": role, "content": "\n\n".join(turn["content"] for turn in same)}
        for role, same in groupby(reversed(turns), lambda turn: turn["role"])
    ]
