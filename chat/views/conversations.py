"""Views that rename, pin and delete conversations, and bring deleted ones back."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext

from ..db.conversations import pin, rename
from ..db.deletion import undoable
from ..engine.deletion import delete, undo
from ..events import Event, Events
from ..html.messages import conversation_view, page_url
from ..managers import ConversationQuerySet
from ..models import Conversation
from ..text import TITLE_LENGTH, storable
from ..visitors import visitor
from .base import SCRIPT, command, conversation_of, done, field_of, framed, reading


@reading
def options(request: HttpRequest, uid: str) -> HttpResponse:
    """Show the forms that rename, pin, export and delete a conversation."""
    return _options(request, conversation_of(request, uid))


@command
def rename_one(request: HttpRequest, uid: str) -> HttpResponse:
    """Give a conversation another title."""
    conversation = conversation_of(request, uid)
    title = " ".join(field_of(request.POST, "title").split())
    if not title:
        return _options(request, conversation, gettext("Please write a title."), title)
    if len(title) > TITLE_LENGTH:
        error = gettext("A title can have at most %(most)d characters; this one has %(length)d.")
        return _options(request, conversation, error % {"most": TITLE_LENGTH, "length": len(title)}, title)
    rename(conversation, title)
    Events.publish_from_thread(conversation.owner, Event.titled(uid, title))
    return done(request, page_url(uid))


@command
def pin_one(request: HttpRequest, uid: str) -> HttpResponse:
    """Pin a conversation to the top of the list; without the field ``pinned``, let it go."""
    conversation = conversation_of(request, uid)
    pinned = bool(field_of(request.POST, "pinned"))
    pin(conversation, pinned=pinned)
    Events.publish_from_thread(conversation.owner, Event.pinning(uid, pinned=pinned))
    return done(request, page_url(uid))


@command
def delete_one(request: HttpRequest, uid: str) -> HttpResponse:
    """Delete a conversation, and stop its answer if one runs. That can be undone for a while."""
    conversation = conversation_of(request, uid)
    if "confirm" not in request.POST:
        return _options(request, conversation, gettext("Tick the box to confirm."))
    return _delete(request, visitor(request).conversations.filter(pk=conversation.pk))


@reading
def all_options(request: HttpRequest) -> HttpResponse:
    """Show the form that deletes all of the visitor's conversations."""
    return _all_options(request)


@command
def delete_several(request: HttpRequest) -> HttpResponse:
    """Delete those of the visitor's conversations that the fields ``id`` name; without such a field, all of them."""
    if "confirm" not in request.POST:
        return _all_options(request, gettext("Please confirm the deletion."))
    conversations = visitor(request).conversations
    if "id" in request.POST:
        conversations = conversations.filter(uid__in=map(storable, request.POST.getlist("id")))
    return _delete(request, conversations)


@command
def undo_deletion(request: HttpRequest) -> HttpResponse:
    """Bring the conversations of a deletion back; the field ``at`` names it by its time."""
    if not undo(visitor(request), field_of(request.POST, "at")):
        return framed(request, "late", {"heading": gettext("Deleted")}, 410)
    return done(request, reverse("llm_chat:page"))


def _delete(request: HttpRequest, conversations: ConversationQuerySet) -> HttpResponse:
    """Delete conversations. A script of the page gets the form that undoes it; other clients find it on the page."""
    delete(visitor(request), conversations)
    if request.headers.get("X-Requested-With") == SCRIPT:
        return render(request, "llm_chat/undo.html", {"deletion": undoable(visitor(request))})
    return done(request, reverse("llm_chat:page"))


def _options(
    request: HttpRequest, conversation: Conversation, error: str = "", title: str | None = None
) -> HttpResponse:
    context = {
        "heading": gettext("Options"),
        "conversation": conversation_view(conversation),
        "title": conversation.title if title is None else title,
        "title_length": TITLE_LENGTH,
        "error": error,
    }
    return framed(request, "options", context, 400 if error else 200)


def _all_options(request: HttpRequest, error: str = "") -> HttpResponse:
    count = visitor(request).conversations.count()
    context = {"heading": gettext("All conversations"), "count": count, "error": error}
    return framed(request, "all_options", context, 400 if error else 200)
