"""What the app's views share: whose they are, the page around what they show, and how they answer."""

import secrets
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST, require_safe

from ..conf import conf
from ..db.conversations import mark_read, own
from ..db.threads import without_transaction
from ..events import Event, Events
from ..html.form import Refused
from ..html.messages import ConversationView, conversation_view, page_url
from ..models import Conversation
from ..owners import Owner, owner_of, visitor
from ..text import storable
from .sections import sections

PLACEHOLDER = "_id_"
"""Stands for an id in the markup from which a script makes the line of a new conversation."""

View = Callable[..., HttpResponse]


class SeeOther(HttpResponseRedirect):
    """Look there now, by GET."""

    status_code = 303


def short(view: View) -> View:
    """Refuse a form that is longer than any of the app's, before Django takes it apart."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        length = request.META.get("CONTENT_LENGTH", "")
        if length.isdigit() and int(length) > conf.max_form_size:
            return HttpResponse("The form is too long.\n", status=413, content_type="text/plain; charset=utf-8")
        return view(request, *args, **kwargs)

    return checked


def command(view: View) -> View:
    """A view that changes something: POST only, from a page of the site's own, never cached.

    The check stands here too, for a site that has left Django's middleware out.
    """
    return served(short(csrf_protect(require_POST(view))))


def reading(view: View) -> View:
    """A view that changes nothing, never cached."""
    return served(require_safe(view))


def served(view: View) -> View:
    """Any view of the app: never cached, and outside the site's ``ATOMIC_REQUESTS``."""
    return without_transaction(never_cache(view))


def field_of(fields: QueryDict, name: str) -> str:
    """Return a field of a form or an address as it can be stored and shown; without the field, nothing."""
    return storable(fields.get(name, ""))


def conversation_of(request: HttpRequest, uid: str) -> Conversation:
    """One of the visitor's own conversations. Raises ``Http404`` where it is not there, or not theirs."""
    owner = owner_of(request)
    found = own(owner, uid) if owner is not None else None
    if found is None:
        raise Http404("There is no such conversation.")
    return found


def by_script(request: HttpRequest) -> bool:
    """Whether a script of the page sent it: one that shows fragments, and hears from the news what has happened."""
    accepted = request.headers.get("Accept", "")
    return "application/json" in accepted or request.headers.get("X-Requested-With") == "llm-chat"


def done(request: HttpRequest, url: str) -> HttpResponse:
    """A command was carried out: a script needs no page, anybody else is led to one."""
    return HttpResponse(status=204) if by_script(request) else SeeOther(url)


def conversation_page(
    request: HttpRequest, uid: str = "", *, refused: Refused | None = None, status: int = 200
) -> HttpResponse:
    """One conversation, or an empty new one where the visitor has none by that id, beside the list of all."""
    owner = visitor(request, linked=bool(uid))
    stored = own(owner, uid) if uid else None
    if stored is not None and stored.unread and mark_read(owner, uid):
        Events.publish_from_thread(owner.key, Event.read(stored.uid))
    uid = uid or secrets.token_urlsafe(9)
    current = conversation_view(stored) if stored else ConversationView(uid, "", page_url(uid))
    return _page(request, owner, "page", {"conversation": current, "refused": refused}, status)


def framed(request: HttpRequest, inner: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
    """Something else than a conversation, beside the list; alone, where a script asks for it (``?fragment``)."""
    template = f"llm_chat/{inner}.html"
    if "fragment" in request.GET or by_script(request):
        return render(request, template, context, status=status)
    return _page(request, visitor(request), "frame", {**context, "inner": template}, status)


def _page(request: HttpRequest, owner: Owner, template: str, context: dict[str, Any], status: int) -> HttpResponse:
    conversations = [conversation_view(found) for found in Conversation.objects.of(owner).listed()]
    around = {
        "sections": sections(conversations),
        "new_line": ConversationView(PLACEHOLDER, "", page_url(PLACEHOLDER)),
        "query": field_of(request.GET, "q"),
    }
    return render(request, f"llm_chat/{template}.html", {**around, **context}, status=status)
