"""Views that rename and delete conversations."""

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext

from ..db.conversations import delete, rename
from ..events import Event, Events
from ..html.messages import conversation_view, page_url
from ..models import Conversation
from ..owners import visitor
from ..text import TITLE_LENGTH
from .base import command, conversation_of, done, field_of, framed, reading


@reading
def options(request: HttpRequest, uid: str) -> HttpResponse:
    """Show the forms that rename, export and delete a conversation."""
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
def delete_one(request: HttpRequest, uid: str) -> HttpResponse:
    """Delete a conversation, and stop its answer if one runs."""
    conversation = conversation_of(request, uid)
    if "confirm" not in request.POST:
        return _options(request, conversation, gettext("Tick the box to confirm."))
    delete(Conversation.objects.filter(pk=conversation.pk))
    return done(request, reverse("llm_chat:page"))


@reading
def all_options(request: HttpRequest) -> HttpResponse:
    """Show the form that deletes all of the visitor's conversations."""
    return _all_options(request)


@command
def delete_all(request: HttpRequest) -> HttpResponse:
    """Delete all of the visitor's conversations."""
    if "confirm" not in request.POST:
        return _all_options(request, gettext("Tick the box to confirm."))
    delete(visitor(request).conversations)
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
