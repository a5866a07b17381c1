"""The part of a conversation that a model reads."""

from collections.abc import Iterable
from itertools import groupby

from ..models import Conversation, Message


def history(conversation: Conversation, tip: int, budget: int) -> list[dict[str, str]]:
    """Return the messages that a model reads of one branch, oldest first.

    The list begins with a question, and the roles alternate, because the templates of many models refuse anything else:
    an answer without text is left out, and its question is joined to the next one.

    Args:
        conversation: the conversation that the branch belongs to.
        tip: the key of the branch's last message.
        budget: the number of characters after which the oldest messages are left out, but never the newest question.
    """
    wanted: int | None = tip
    turns: list[dict[str, str]] = []
    asked = False
    found = conversation.message_set.filter(pk__lte=tip).order_by("-pk")
    rows = found.values_list("pk", "parent_id", "role", "text").iterator(chunk_size=200)
    for pk, parent, role, text in rows:  # a parent is always older than its child
        if pk != wanted:
            continue
        budget -= len(text)
        if budget < 0 and asked:
            break
        if text.strip():
            turns.append({"role": role, "content": text})
            asked = asked or role == Message.Role.USER
        wanted = parent
    while turns and turns[-1]["role"] != Message.Role.USER:
        turns.pop()
    return alternating(turns[::-1])


def alternating(turns: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    """Return chat messages in which neighbours of the same role are joined into one message."""
    return [
        {"role": role, "content": "\n\n".join(turn["content"] for turn in same)}
        for role, same in groupby(turns, lambda turn: turn["role"])
    ]
