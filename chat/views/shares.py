"""Share links: read-only copies of conversations, made and revoked by their owners, read by everybody with the link.

Without ``CHAT["SHARING"]``, none of these pages exists.
"""

from functools import wraps
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext

from ..conf import conf
from ..db.shares import MOST, messages_of, revoke, share, shared, shares_of
from ..html.messages import conversation_view, record_view
from ..models import Conversation
from .base import SeeOther, View, command, conversation_of, framed, reading


def if_sharing(view: View) -> View:
    """Make a view that does not exist unless the site allows sharing."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not conf.sharing:
            raise Http404("Sharing is off.")
        return view(request, *args, **kwargs)

    return checked


@reading
@if_sharing
def shares(request: HttpRequest, uid: str) -> HttpResponse:
    """Show what would be shared of a conversation, and the links that it has."""
    return _shares(request, conversation_of(request, uid))


@command
@if_sharing
def share_one(request: HttpRequest, uid: str) -> HttpResponse:
    """Make a link to a copy of a conversation."""
    conversation = conversation_of(request, uid)
    if share(conversation) is None:
        error = gettext("This conversation has %(count)d links already. Revoke one of them first.")
        return _shares(request, conversation, error % {"count": MOST})
    return SeeOther(reverse("llm_chat:shares", args=[uid]))


@command
@if_sharing
def revoke_one(request: HttpRequest, uid: str, link: str) -> HttpResponse:
    """Delete the copy behind a link, so that the link leads nowhere."""
    if not revoke(conversation_of(request, uid), link):
        raise Http404("There is no such link.")
    return SeeOther(reverse("llm_chat:shares", args=[uid]))


@reading
@if_sharing
def read(request: HttpRequest, link: str) -> HttpResponse:
    """Show a copy to everybody who has its link. Search engines must not list it, and no link in it must reveal it."""
    found = shared(link)
    if found is None:
        raise Http404("There is no such link.")
    context = {"share": found, "messages": [record_view(message) for message in messages_of(found)]}
    response = render(request, "llm_chat/shared.html", context)
    response["X-Robots-Tag"] = "noindex, nofollow"
    response["Referrer-Policy"] = "no-referrer"
    return response


def _shares(request: HttpRequest, conversation: Conversation, error: str = "") -> HttpResponse:
    links = [
        {"share": found, "url": request.build_absolute_uri(reverse("llm_chat:shared", args=[found.uid]))}
        for found in shares_of(conversation)
    ]
    context = {
        "heading": gettext("Share"),
        "conversation": conversation_view(conversation),
        "links": links,
        "error": error,
    }
    return framed(request, "shares", context, 400 if error else 200)
