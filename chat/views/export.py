"""Exports one conversation as a file: the branch that it shows as Markdown, or all messages as JSON."""

import re
from datetime import datetime
from itertools import chain
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import gettext
from msgspec import to_builtins
from msgspec.structs import replace

from ..db.replay import ending_of
from ..db.sources import sources_by_part
from ..html.markdown import notes, with_footnotes
from ..models import Conversation, Message
from ..moments import moment
from ..parts import exported, is_text
from ..sources import AnswerSource
from .base import conversation_of, reading

_FOOTNOTE = re.compile(r"\[\^([0-9]{1,6})\]")
"""A footnote that a text has on its own. Those of sources have other numbers."""


@reading
def markdown(request: HttpRequest, uid: str) -> HttpResponse:
    """Export the branch that a conversation shows: its title, then each message under its sender and time."""
    conversation = conversation_of(request, uid)
    pieces = [f"# {_title(conversation)}"]
    branch = _branch(conversation, _messages(conversation))
    footnotes = max((int(number) for message in branch for number in _FOOTNOTE.findall(message.text)), default=0)
    for message in branch:
        sources = [_absolute(source, request) for source in chain(*sources_by_part(message))]
        pieces += [f"## {_sender(message)}, {_time(message.created_at)}", _content(message, footnotes)]
        pieces += [_ending(message), notes(sources, footnotes)]
        footnotes += len(sources)
    text = "\n\n".join(piece for piece in pieces if piece) + "\n"
    return _attached(HttpResponse(text, content_type="text/markdown; charset=utf-8"), conversation, "md")


@reading
def json(request: HttpRequest, uid: str) -> HttpResponse:
    """Export all messages of a conversation, in all branches; ``branch`` lists the ids of those that it shows."""
    conversation = conversation_of(request, uid)
    messages = _messages(conversation)
    uids = {message.pk: message.uid for message in messages}
    content = {
        "id": conversation.uid,
        "title": conversation.title,
        "assistant": conversation.assistant,
        "about": f"{conversation.about_model}:{conversation.about_key}" if conversation.about_key else None,
        "created": moment(conversation.created_at),
        "messages": [_as_json(message, uids.get(message.parent_id or 0)) for message in messages],
        "branch": [message.uid for message in _branch(conversation, messages)],
    }
    response = JsonResponse(content, json_dumps_params={"ensure_ascii": False, "indent": 2})
    return _attached(response, conversation, "json")


def _as_json(message: Message, parent: str | None) -> dict[str, Any]:
    sources = [to_builtins(source) for found in sources_by_part(message) for source in found]
    return {
        "id": message.uid,
        "parent": parent,
        "role": message.role,
        "status": message.status,
        "created": moment(message.created_at),
        "parts": message.parts,
        **({"sources": sources} if sources else {}),
        "model": message.model,
        "usage": message.usage,
    }


def _messages(conversation: Conversation) -> list[Message]:
    return list(conversation.message_set.order_by("pk"))


def _branch(conversation: Conversation, messages: list[Message]) -> list[Message]:
    """Return the messages of the branch that a conversation shows, in order."""
    by_key = {message.pk: message for message in messages}
    branch = []
    found = by_key.get(conversation.tip_id or 0)
    while found is not None:
        branch.append(found)
        found = by_key.get(found.parent_id or 0)
    return branch[::-1]


def _title(conversation: Conversation) -> str:
    return conversation.title or gettext("New chat")


def _sender(message: Message) -> str:
    return gettext("You") if message.role == Message.Role.USER else gettext("Assistant")


def _time(created: datetime) -> str:
    return f"{timezone.localtime(moment(created)):%Y-%m-%d %H:%M %Z}"


def _content(message: Message, footnotes: int) -> str:
    """Return the content of a message; a question has no parts, only text.

    ``footnotes`` is the number of those that the file has already: the numbers of this message's come after them.
    """
    if message.role == Message.Role.USER:
        return message.text
    parts: list[dict[str, Any]] = []
    count = 0
    for part, found in zip(message.parts, sources_by_part(message), strict=True):
        parts.append({**part, "text": with_footnotes(part["text"], count, footnotes)} if is_text(part) else part)
        count += len(found)
    return exported(parts)


def _absolute(source: AnswerSource, request: HttpRequest) -> AnswerSource:
    """Return a source with the whole address of its page, which a file needs."""
    return replace(source, url=request.build_absolute_uri(source.url))


def _ending(message: Message) -> str:
    """Return the sentence that the page shows below an answer."""
    if message.role == Message.Role.USER:
        return ""
    if message.status == Message.Status.RUNNING:
        note = gettext("The answer is still running.")
    else:
        note = ending_of(message).describe(has_content=bool(message.text.strip()))
    return f"*{note}*" if note else ""


def _attached(response: HttpResponse, conversation: Conversation, extension: str) -> HttpResponse:
    """Make the response a download, with a file name that all systems accept."""
    name = re.sub(r'[\x00-\x1f\x7f/\\:*?"<>|]+', " ", _title(conversation))
    name = " ".join(name.split()).strip(". ") or "conversation"
    response["Content-Disposition"] = content_disposition_header(True, f"{name}.{extension}")
    response["X-Content-Type-Options"] = "nosniff"
    return response
