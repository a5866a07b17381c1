"""Makes the chunks of the html format: messages and their parts, rendered by templates.

A ``language`` argument is that of the page; ``None`` means the active language.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from django.template.loader import render_to_string
from django.utils.html import strip_spaces_between_tags
from django.utils.translation import override
from msgspec import UNSET, UnsetType

from ..chunks import (
    MessageData,
    MessageEnd,
    MessageEndData,
    MessageHtml,
    PartData,
    PartEndData,
    PartEndHtml,
    PartHtml,
    Patch,
    PatchData,
    SourcesData,
    SourcesHtml,
)
from ..endings import Ending
from ..sources import AnswerSource
from .markdown import BlockPatch
from .messages import MessageView, PartView


def message_chunk(
    view: MessageView,
    *,
    after: str | UnsetType | None = UNSET,
    earlier: bool = False,
    language: str | None = None,
) -> MessageHtml:
    """Make the chunk that shows a whole message.

    Args:
        view: the message.
        after: the id of the message that it follows, ``None`` for the first one. The page puts it there and removes
            what came after. With ``UNSET`` it stays in its place; a new message comes last.
        earlier: whether the conversation has messages before this one, if it is the page's first.
        language: the language of the page.
    """
    return MessageHtml(MessageData(view.id, view.status, message_html(view, language), after, earlier))


def message_html(view: MessageView, language: str | None = None) -> str:
    """Render the ``<article>`` of a message."""
    return _render("llm_chat/message.html", language, message=view)


def part_chunk(message: str, view: PartView, language: str | None = None) -> PartHtml:
    """Make the chunk that adds a new part, still empty, to a message."""
    html = _render(view.template, language, part=view)
    return PartHtml(PartData(message, view.index, html))


def part_end_chunk(message: str, view: PartView, language: str | None = None) -> PartEndHtml:
    """Make the chunk that changes the heading of a part of a timed kind, at its end."""
    return PartEndHtml(PartEndData(message, view.index, _render("llm_chat/thinking.html", language, part=view)))


def patch_chunk(message: str, part: int, patch: BlockPatch) -> Patch:
    """Make the chunk that changes one block of a part."""
    if patch.html is None:
        return Patch(PatchData(message, part, patch.keep, patch.append or "", stay=patch.stay))
    return Patch(
        PatchData(message, part, patch.keep, UNSET, patch.from_, patch.html, patch.then, patch.tail, patch.stay)
    )


def sources_chunk(message: str, sources: Sequence[AnswerSource], language: str | None = None) -> SourcesHtml:
    """Make the chunk that lists the sources that a message has so far."""
    return SourcesHtml(SourcesData(message, _render("llm_chat/sources.html", language, sources=sources)))


def message_end_chunk(view: MessageView, ending: Ending, language: str | None = None) -> MessageEnd:
    """Make the chunk that shows how a message ended, and what a visitor can do about it."""
    ended = replace(view, status=ending.status, ending=ending)
    html = strip_spaces_between_tags(_render("llm_chat/footer.html", language, message=ended))  # as in message.html
    return MessageEnd(MessageEndData(view.id, ended.status, html))


def _render(template: str, language: str | None, **context: Any) -> str:
    """Render a template. ``strip`` also turns the ``SafeString`` into a ``str``, which is all that can be encoded."""
    with override(language) if language else nullcontext():
        return render_to_string(template, context).strip()
