"""``{% load llm_chat %}{% chat %}``: a conversation on any page of a site."""

import hashlib
import re
from typing import Any

from django import template
from django.core.exceptions import ImproperlyConfigured
from django.template import Context
from django.urls import get_script_prefix

from ..backends.loading import max_message_length
from ..conf import conf
from ..db.branches import Stretch, earlier, tip_window
from ..errors import ERRORS, Refusal
from ..html.form import Refused, composer_view
from ..html.messages import message_view
from ..html.version import PAGE_VERSION
from ..models import Message
from ..owners import Owner, visitor
from ..text import CONVERSATION_ID

register = template.Library()


@register.inclusion_tag("llm_chat/conversation.html", takes_context=True)
def chat(
    context: Context, conversation: str = "default", *, page: str = "", refused: Refused | None = None
) -> dict[str, Any]:
    """The visitor's own conversation of the id ``conversation``, with its composer.

    The id means something only together with the visitor: ``{% chat "support" %}`` gives each their own. ``page`` is
    put into the address bar with the first message; ``refused`` is a message that the form could not send. Raises
    ``ImproperlyConfigured`` without a request in the context.
    """
    request = _request_in(context)
    if not re.fullmatch(CONVERSATION_ID, conversation):
        raise ImproperlyConfigured(
            f"{{% chat %}} takes an id of 1 to 64 letters, digits, hyphens and underscores, got {conversation!r}."
        )
    request._cache_update_cache = False  # what Django's cache would keep has one visitor's messages in it
    owner = visitor(request)
    before = request.GET.get("before", "")
    end = tip_window(owner, conversation)
    running = bool(end.messages) and end.messages[-1].status == Message.Status.RUNNING
    older = _before(owner, conversation, before)
    shown = older or end
    leads_to = "" if page else request.get_full_path()
    return {
        "request": request,
        "conversation_id": conversation,
        "owner": hashlib.sha256(owner.key.encode()).hexdigest()[:16],
        "messages": [message_view(message) for message in shown.messages],
        "earlier": shown.earlier,
        "later": older is not None,
        "socket_path": get_script_prefix() + conf.socket_path.lstrip("/"),
        "page_version": PAGE_VERSION,
        "temporary_errors": " ".join(code for code, kind in ERRORS.items() if kind.temporary),
        "page_url": page,
        "max_message_length": max_message_length(),
        "signed_in": owner.user_id is not None,
        "composer": composer_view(conversation, running=running, leads_to=leads_to, refused=refused),
    }


def _request_in(context: Context) -> Any:
    """Return the request in a template's context. Raises ``ImproperlyConfigured`` without one, or without session."""
    request = context.get("request")
    if request is None or not hasattr(request, "session"):
        raise ImproperlyConfigured(
            "{% chat %} needs the request in the template's context (the context processor "
            '"django.template.context_processors.request", or render(request, ...)) and SessionMiddleware.'
        )
    return request


def _before(owner: Owner, conversation: str, message: str) -> Stretch | None:
    """What stands before a message, where the address asks for it and this conversation has one by that id."""
    try:
        return earlier(owner, conversation, message) if re.fullmatch("[!-~]{1,64}", message) else None
    except Refusal:
        return None
