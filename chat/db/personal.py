"""Reads everything that is stored about one owner, piece by piece, so that it takes little memory."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from ..models import Conversation, Feedback, Message, Share, ToolCall, Usage
from ..moments import moment
from ..owners import Owner

FORMAT, VERSION = "llm-chat-export", 1
"""The name and the version of the document's format, which ``docs/data.md`` describes."""

SLICE = 8
"""How many messages are in memory at once. Each may have several MB."""


def conversations_of(owner: Owner) -> QuerySet[Conversation]:
    """Return all of an owner's conversations, including those whose deletion can still be undone."""
    mine = Q(owner=owner.key)
    if owner.user_id is not None:
        mine |= Q(user=owner.user_id)
    return Conversation.objects.filter(mine)


def usage_of(owner: Owner) -> QuerySet[Usage]:
    """Return the calls of models that were made for an owner."""
    theirs = Q(owner=owner.key)
    if owner.user_id is not None:
        theirs |= Q(user=owner.user_id)
    return Usage.objects.filter(theirs)


def everything(owner: Owner, about: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Return everything that is stored about an owner as one document, whose iterators read as they are used up.

    Args:
        owner: the owner.
        about: who that is, for the head of the document.
        now: the time of the export.
    """
    keys = list(conversations_of(owner).order_by("pk").values_list("pk", flat=True))
    found = (Conversation.objects.filter(pk=key).first() for key in keys)
    return {
        "format": FORMAT,
        "version": VERSION,
        "exported": now,
        "owner": {**about, "key": owner.key},
        "conversations": (_conversation(one, owner) for one in found if one is not None),
        "usage": map(_usage, usage_of(owner).order_by("pk").iterator(SLICE)),
    }


def _conversation(conversation: Conversation, owner: Owner) -> dict[str, Any]:
    uids = dict(conversation.message_set.order_by("pk").values_list("pk", "uid"))
    branch = [uids[key] for key, _ in conversation.lineage(conversation.tip_id) if key in uids]
    return {
        "id": conversation.uid,
        "title": conversation.title,
        "assistant": conversation.assistant,
        "about": f"{conversation.about_model}:{conversation.about_key}" if conversation.about_key else None,
        "created": moment(conversation.created_at),
        "updated": moment(conversation.updated_at),
        "deleted": _moment(conversation.deleted_at),
        "pinned": conversation.pinned,
        "unread": conversation.unread,
        "branch": branch[::-1],
        "messages": (_message(message, uids, owner) for message in _messages(list(uids))),
        "shares": (_share(share) for share in _shares(conversation)),
    }


def _messages(keys: list[int]) -> Iterator[Message]:
    for start in range(0, len(keys), SLICE):
        found = Message.objects.filter(pk__in=keys[start : start + SLICE]).order_by("pk")
        yield from found.select_related("feedback").prefetch_related("tool_calls")


def _shares(conversation: Conversation) -> Iterator[Share]:
    for key in list(conversation.shares.order_by("pk").values_list("pk", flat=True)):
        yield from conversation.shares.filter(pk=key)


def _message(message: Message, uids: dict[int, str], owner: Owner) -> dict[str, Any]:
    calls: Iterable[ToolCall] = message.tool_calls.all()
    return {
        "id": message.uid,
        "parent": uids.get(message.parent_id or 0),
        "role": message.role,
        "status": message.status,
        "created": moment(message.created_at),
        "ended": _moment(message.ended_at),
        "text": message.text,
        "parts": message.parts,
        "calls": [_call(call, owner) for call in sorted(calls, key=lambda call: call.pk)],
        "rating": _rating(getattr(message, "feedback", None)),
        "error": message.error,
        "finish_reason": message.finish_reason,
        "model": message.model,
        "usage": message.usage,
    }


def _call(call: ToolCall, owner: Owner) -> dict[str, Any]:
    return {
        "id": call.uid,
        "step": call.step,
        "tool": call.name,
        "state": call.state,
        "input": call.input,
        "output": call.output,
        "error": call.error,
        "question": call.question,
        "decided": _moment(call.decided_at),
        "decided_by_owner": call.decided_by == owner.key,
        "reason": call.reason,
        "language": call.language,
        "expires": _moment(call.expires_at),
        "started": moment(call.started_at),
        "ended": _moment(call.ended_at),
    }


def _rating(feedback: Feedback | None) -> dict[str, Any] | None:
    if feedback is None:
        return None
    times = {"created": moment(feedback.created_at), "updated": moment(feedback.updated_at)}
    return {"value": Feedback.Value(feedback.value).name.lower(), "comment": feedback.comment, **times}


def _share(share: Share) -> dict[str, Any]:
    return {
        "id": share.uid,
        "title": share.title,
        "created": moment(share.created_at),
        "messages": share.messages,
    }


def _usage(call: Usage) -> dict[str, Any]:
    tokens = {name: getattr(call, f"{name}_tokens") for name in call.tokens._fields}
    return {
        "started": moment(call.started_at),
        "kind": call.kind,
        "assistant": call.assistant,
        "model": call.model,
        "outcome": call.outcome,
        "source": call.source,
        "tokens": tokens,
        "cost": None if call.cost is None else str(call.cost),
        "currency": call.currency,
    }


def _moment(stored: datetime | None) -> datetime | None:
    return None if stored is None else moment(stored)
