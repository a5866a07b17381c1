"""The chat without a page around it, which the widget's script puts on another page of the site."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language, override

from ..db.conversations import own
from ..html.language import spoken
from ..visitors import visitor
from .base import about_of, field_of


def embedded(request: HttpRequest, uid: str) -> HttpResponse:
    """Render one conversation alone, in the ``language`` of the page that shows it.

    It is not marked as read, because the page may not show it yet. Raises ``PermissionDenied`` if a new conversation is
    to be about an object to which the visitor's page does not refer, or that is gone.

    Args:
        request: the request. Its query names the ``assistant`` of a new conversation, and may refer to an object.
        uid: the conversation's id.
    """
    owner = visitor(request, linked=True)
    stored = own(owner, uid)
    assistant = stored.assistant if stored else field_of(request.GET, "assistant")
    about, closed = about_of(request, owner, stored, assistant)
    if closed and stored is None:
        raise PermissionDenied
    context = {"assistant": assistant, "conversation": uid, "about": about, "closed": closed}
    language = field_of(request.GET, "language")
    with override(spoken(language) if language else get_language()):
        return render(request, "llm_chat/embedded.html", context)
