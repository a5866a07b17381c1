"""Renders messages for the page; stored and live answers use the same templates.

A ``language`` argument is that of the page; ``None`` means the active language.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django.urls import NoReverseMatch, reverse
from django.utils.safestring import SafeString, mark_safe

from ..db.replay import ending_of
from ..db.sources import sources_by_part
from ..endings import Ending
from ..models import POSTED, Conversation, Message
from ..moments import moment
from ..parts import KINDS, SOURCE, TOOL
from ..sources import AnswerSource
from .calls import NOWHERE, CallConversation, CallView, call_html, call_view, conversation_of
from .excerpts import first_words, is_long
from .markdown import Known, escape_text, is_blank, render
from .model_name import shown_name
from .thinking import thought_for


@dataclass(frozen=True, slots=True)
class PartView:
    """One part of a message: its number, the name of its kind, such as ``text``, and its blocks of safe HTML.

    The others are of a timed kind only: whether it is ``running``, then how many seconds it has taken so far, as text,
    and afterwards how many it took. Both may be unknown.
    """

    index: int
    kind: str
    blocks: Sequence[SafeString] = ()
    running: bool = False
    elapsed: str = ""
    seconds: float | None = None
    call: CallView | None = None
    """The call of a tool, in a part of the kind ``tool``."""
    conversation: CallConversation = NOWHERE
    """What the template of a tool gets of its conversation."""

    @property
    def template(self) -> str:
        """Name of the template that shows the part."""
        return KINDS[self.kind].template if self.kind in KINDS else "llm_chat/parts/tool.html"

    @property
    def is_text(self) -> bool:
        """Tell whether the part is text of the answer."""
        return self.kind in KINDS and KINDS[self.kind].is_text

    @property
    def call_html(self) -> SafeString:
        """Render the call of a tool in the active language; empty for a part of another kind."""
        return call_html(self.call, self.conversation) if self.call else SafeString()

    @property
    def heading(self) -> str:
        """Say in the active language how long the reasoning took, or only that it is reasoning."""
        return thought_for(self.seconds)


@dataclass(frozen=True, slots=True)
class Siblings:
    """The place of a message among its other versions: ``position`` of ``count``, counted from 1.

    ``previous`` and ``next`` are the ids of its neighbours, empty if it has none.
    """

    position: int
    count: int
    previous: str = ""
    next: str = ""


@dataclass(frozen=True, slots=True)
class MessageView:
    """The variable ``message`` of ``llm_chat/message.html`` and ``llm_chat/footer.html``."""

    id: str
    role: str
    status: str
    created: datetime | None = None
    parts: Sequence[PartView] = field(default_factory=list)
    attempt: str | None = None
    siblings: Siblings | None = None
    rating: int = 0
    comment: str = ""
    model: str = ""
    """The name of the model, as pages show it; empty for a question, or if ``CHAT["SHOW_MODEL"]`` is off."""
    is_long: bool = False
    """Whether it is a question that is folded, because it has many lines."""
    sources: Sequence[AnswerSource] = ()
    """What its tools have found, in the order of their numbers."""
    ending: Ending | None = None
    """How the answer ended; ``None`` while it runs, and for a question."""

    @property
    def is_posted(self) -> bool:
        """Tell whether it answers no question, because the site has posted it, so that there is no other answer."""
        return self.role == Message.Role.ASSISTANT and self.id.startswith(POSTED)

    @property
    def has_text(self) -> bool:
        """Tell whether the message has text besides white space and reasoning."""
        return any(part.is_text and not all(map(is_blank, part.blocks)) for part in self.parts)

    @property
    def beginning(self) -> str:
        """Return the first words of the message, to tell it from others; empty if it has none."""
        return first_words(block for part in self.parts if part.is_text for block in part.blocks)

    @property
    def note(self) -> SafeString:
        """Describe in the active language how the answer ended; empty for an answer that is simply complete."""
        # Not escaped, as in templates: these sentences are the app's own and its translators'.
        return mark_safe(self.ending.describe(self._shows_something) if self.ending else "")  # noqa: S308

    @property
    def _shows_something(self) -> bool:
        """Tell whether the answer has text, or calls of tools."""
        return self.has_text or any(part.call for part in self.parts)

    @property
    def can_continue(self) -> bool:
        """Tell whether the answer ended early, with something that another answer can continue."""
        return self.ending is not None and self.ending.can_continue and self._shows_something


@dataclass(frozen=True, slots=True)
class ConversationView:
    """A conversation in the list; ``url`` is empty in a site without the app's own pages."""

    id: str
    title: str
    url: str
    running: bool = False
    unread: bool = False
    pinned: bool = False
    updated: datetime | None = None
    assistant: str = "default"
    """The name of the assistant."""
    waiting: bool = False
    """Whether its last answer waits for a decision."""

    @property
    def options(self) -> str:
        """URL of the page that renames, exports and deletes the conversation; empty like ``url``."""
        return f"{self.url}options/" if self.url else ""


def safe(blocks: Sequence[str]) -> list[SafeString]:
    """Mark blocks that ``html/markdown`` has sanitised as safe for templates."""
    return [mark_safe(block) for block in blocks]  # noqa: S308


def message_view(
    message: Message, parts: Sequence[PartView] | None = None, sources: Sequence[AnswerSource] = ()
) -> MessageView:
    """Make the view of a message; ``parts`` and ``sources`` replace those stored, which lag behind while it runs."""
    if parts is None:
        parts, sources = _stored(message)
    # Read feedback only if the query has fetched it, because this is also called on the event loop.
    feedback = getattr(message, "feedback", None) if Message.feedback.is_cached(message) else None
    return MessageView(
        id=message.uid,
        role=message.role,
        status=message.status,
        created=moment(message.created_at) if message.created_at else None,
        parts=parts,
        attempt=message.attempt,
        siblings=_siblings(message),
        rating=feedback.value if feedback else 0,
        comment=feedback.comment if feedback else "",
        model=shown_name(message.model) if message.role == Message.Role.ASSISTANT else "",
        is_long=message.role == Message.Role.USER and is_long(message.text),
        sources=sources,
        ending=_ending(message),
    )


def record_view(message: Message) -> MessageView:
    """Make the view of a message for a page to read, on which nobody can decide about its calls."""
    view = message_view(message)
    parts = [replace(part, conversation=replace(part.conversation, read_only=True)) for part in view.parts]
    return replace(view, parts=parts)


def _siblings(message: Message) -> Siblings | None:
    """Find the place of a message among its siblings; ``None`` if it has none or they were not read."""
    if len(message.siblings) < 2:
        return None
    place = message.siblings.index(message.uid)
    previous, following = ("", *message.siblings)[place], (*message.siblings, "")[place + 1]
    return Siblings(place + 1, len(message.siblings), previous, following)


def _ending(message: Message) -> Ending | None:
    ended = message.role == Message.Role.ASSISTANT and message.status != Message.Status.RUNNING
    return ending_of(message) if ended else None


def _stored(message: Message) -> tuple[list[PartView], Known]:
    """Make the views of a message's parts, and return its sources. A text can cite those of the parts before it."""
    if message.role == Message.Role.USER:
        return [PartView(0, "text", safe([escape_text(message.text)]))], ()
    views: list[PartView] = []
    sources: Known = ()
    for index, found in enumerate(sources_by_part(message)):
        if view := _stored_part(message, index, sources):
            views.append(view)
        sources += found
    return views, sources


def _stored_part(message: Message, index: int, sources: Known) -> PartView | None:
    """Make the view of a stored part; one that is not finished runs if it is the last one of a running answer.

    Return ``None`` for a source, and for a call that never began: its row was not stored.
    """
    part: dict[str, Any] = message.parts[index]
    if part["type"] == TOOL:
        call = message.calls.get(part["call"])
        if call is None:
            return None
        view = call_view(call, waiting=message.status == Message.Status.WAITING)
        return PartView(index, TOOL, call=view, conversation=conversation_of(message))
    if part["type"] == SOURCE:
        return None
    kind, seconds = KINDS[part["type"]], part.get("seconds")
    unfinished = message.status == Message.Status.RUNNING and index == len(message.parts) - 1 and seconds is None
    blocks = safe(render(part["text"], sources if kind.is_text else ()))
    return PartView(index, kind.name, blocks, kind.timed and unfinished, seconds=seconds)


def conversation_view(conversation: Conversation) -> ConversationView:
    """Make the entry of a conversation in the list."""
    return ConversationView(
        id=conversation.uid,
        title=conversation.title,
        url=page_url(conversation.uid),
        running=conversation.running_id is not None,
        unread=conversation.unread,
        pinned=conversation.pinned,
        updated=moment(conversation.updated_at) if conversation.updated_at else None,
        assistant=conversation.assistant,
        waiting=getattr(conversation, "waiting", False),  # annotated
    )


def page_url(uid: str) -> str:
    """Return the URL of a conversation's page; empty in a site that does not include the app's URLs."""
    try:
        return reverse("llm_chat:conversation", args=[uid])
    except NoReverseMatch:
        return ""
