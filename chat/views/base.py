"""What the app's views share: decorators, access to the visitor's conversations, and the page around the content."""

import secrets
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.handlers.exception import response_for_exception
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.utils.html import format_html
from django.utils.translation import get_language
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST, require_safe

from ..assistants import Assistant
from ..assistants.about import find, read
from ..assistants.discovery import label_of, name_of, registry
from ..assistants.hooks import usable
from ..conf import conf
from ..db.conversations import mark_read, own
from ..db.deletion import undoable
from ..db.threads import without_transaction
from ..db.values import Subject
from ..errors import ERRORS, Refusal, sentence
from ..events import Event, Events
from ..html.form import Refused
from ..html.messages import ConversationView, conversation_view, page_url
from ..models import Conversation
from ..owners import Owner, owner_of
from ..text import TITLE_LENGTH, storable
from ..visitors import is_refused, visitor
from .sections import sections

PLACEHOLDER = "_id_"
"""Placeholder for the id in the template from which a script makes the list entry of a new conversation."""

SCRIPT = "llm-chat"
"""The header ``X-Requested-With`` of the requests that the page's scripts send."""

View = Callable[..., HttpResponse]


class SeeOther(HttpResponseRedirect):
    """A redirect that the browser follows by GET."""

    status_code = 303


def short(view: View) -> View:
    """Make a view refuse a form that is longer than any of the app's, before Django parses it."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        length = request.META.get("CONTENT_LENGTH", "")
        if length.isdigit() and int(length) > conf.max_form_size:
            return HttpResponse("The form is too long.\n", status=413, content_type="text/plain; charset=utf-8")
        return view(request, *args, **kwargs)

    return checked


def command(view: View) -> View:
    """Make a view that changes something: by POST only, from a page of this site and this owner, and never cached.

    ``csrf_protect`` is here because a site may not have Django's CSRF middleware.
    """
    return served(short(csrf_protect(require_POST(from_own_page(view)))))


def from_own_page(view: View) -> View:
    """Make a view refuse a form of another owner's page: its browser has signed in or out since that was loaded."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not is_of_another_owner(request):
            return view(request, *args, **kwargs)
        text, status = sentence("session", None), ERRORS["session"].status
        if by_script(request):
            return HttpResponse(format_html('<p class="llm-chat-hint-error" role="alert">{}</p>', text), status=status)
        return conversation_page(request, refused=Refused("", "", text), status=status)

    return checked


def is_of_another_owner(request: HttpRequest) -> bool:
    """Tell whether a form says that it is from a page of another owner. One that a site has overridden may not say."""
    named, owner = field_of(request.POST, "chat_owner"), owner_of(request)
    return bool(named) and (owner is None or named != owner.digest)


def reading(view: View) -> View:
    """Make a view that changes nothing: by GET and HEAD only, and never cached."""
    return served(require_safe(view))


def served(view: View) -> View:
    """Make a view that is never cached and runs outside of the site's ``ATOMIC_REQUESTS``.

    Caches keep a 404 too, unless it says otherwise, and would go on to answer with it when the page is there.
    """

    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except Http404 as error:
            return response_for_exception(request, error)

    return without_transaction(never_cache(answered))


def field_of(fields: QueryDict, name: str) -> str:
    """Return a field of a form or query string, cleaned so that it can be stored and shown; empty if it is missing."""
    return storable(fields.get(name, ""))


def conversation_of(request: HttpRequest, uid: str) -> Conversation:
    """Return one of the visitor's own conversations.

    Raises ``Http404`` if there is none with this id, or if it is not the visitor's.
    """
    owner = owner_of(request)
    found = own(owner, uid) if owner is not None else None
    if found is None:
        raise Http404("There is no such conversation.")
    return found


def by_script(request: HttpRequest) -> bool:
    """Tell whether a script of the page sent the request. It shows fragments, and learns from events what happened."""
    accepted = request.headers.get("Accept", "")
    return "application/json" in accepted or request.headers.get("X-Requested-With") == SCRIPT


def done(request: HttpRequest, url: str) -> HttpResponse:
    """Answer a command that succeeded: with 204 to a script, otherwise with a redirect to ``url``."""
    return HttpResponse(status=204) if by_script(request) else SeeOther(url)


def conversation_page(
    request: HttpRequest, uid: str = "", assistant: str = "", *, refused: Refused | None = None, status: int = 200
) -> HttpResponse:
    """Render the page of one conversation beside the list of all; it is empty if the visitor has none with this id.

    Args:
        request: the request.
        uid: the conversation's id; without one, the page gets a new id.
        assistant: the name of the assistant of a new conversation; without one, or if the visitor may not use it, the
            first that the visitor may use.
        refused: a message or a decision that a form was refused.
        status: the HTTP status.
    """
    owner = visitor(request, linked=bool(uid))
    stored = own(owner, uid) if uid else None
    if stored is not None and stored.unread and mark_read(owner, uid):
        Events.publish_from_thread(owner.key, Event.read(stored.uid))
    uid = uid or secrets.token_urlsafe(9)
    refers = bool(reference_in(request)) and stored is None
    choices = [] if stored or refers else _usable(owner)
    about, closed = about_of(request, owner, stored, assistant)
    if stored:
        current = conversation_view(stored)
    elif refers:
        current = ConversationView(uid, "", page_url(uid), assistant=assistant)
    else:
        names = [name_of(found) for found in choices]
        chosen = assistant if assistant in names else next(iter(names), name_of(registry.offered[0]))
        current = ConversationView(uid, "", page_url(uid), assistant=chosen)
    context: dict[str, Any] = {"conversation": current, "refused": refused, "about": about, "closed": closed}
    context["choices"] = _choices(choices, current.assistant)
    if is_refused(request):
        status = ERRORS["too_many_visitors"].status
    return _page(request, owner, "page", context, status)


def _usable(owner: Owner) -> list[type[Assistant]]:
    language = get_language() or ""
    return [type(one) for one in usable(found(user_id=owner.user_id, language=language) for found in registry.offered)]


def reference_in(request: HttpRequest) -> str:
    """Return the reference to an object in a request, which the tags have signed; empty without one."""
    return field_of(request.POST if request.method == "POST" else request.GET, "about")


def about_of(request: HttpRequest, owner: Owner, stored: Conversation | None, assistant: str) -> tuple[Any, bool]:
    """Return the object that a conversation is about, and whether it is gone, or may not be referred to.

    A new conversation with an assistant is about the object to which the request refers.
    """
    try:
        subject = Subject.of(stored) if stored else read(reference_in(request), assistant, owner.digest)
    except Refusal:
        return None, True
    if not subject.about_key:
        return None, False
    found = registry.get(subject.assistant)
    about = find(found, subject) if found else None
    return about, about is None


def _choices(assistants: list[type[Assistant]], current: str) -> list[dict[str, Any]]:
    """Return what a page shows to choose an assistant: nothing where there is no choice."""
    if len(assistants) < 2:
        return []
    return [
        {"name": name_of(found), "label": label_of(found), "current": name_of(found) == current} for found in assistants
    ]


def framed(request: HttpRequest, inner: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
    """Render the template ``inner`` beside the list of conversations, or alone for a script (``?fragment``)."""
    template = f"llm_chat/{inner}.html"
    if "fragment" in request.GET or by_script(request):
        owner = owner_of(request)
        return render(request, template, {"owner": owner.digest if owner else "", **context}, status=status)
    return _page(request, visitor(request), "frame", {**context, "inner": template}, status)


def _page(request: HttpRequest, owner: Owner, template: str, context: dict[str, Any], status: int) -> HttpResponse:
    conversations = [conversation_view(found) for found in owner.conversations.listed()]
    around = {
        "owner": owner.digest,
        "sections": sections(conversations),
        "new_line": ConversationView(PLACEHOLDER, "", page_url(PLACEHOLDER)),
        "query": field_of(request.GET, "q"),
        "deletion": undoable(owner),
        "title_length": TITLE_LENGTH,
        "sharing": conf.sharing,
    }
    return render(request, f"llm_chat/{template}.html", {**around, **context}, status=status)
