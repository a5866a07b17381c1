"""``{% load llm_chat %}{% chat %}``: a conversation on any page of a site, or behind a button of every page."""

import asyncio
import os
import re
from html import unescape
from typing import Any

from django import template
from django.core.exceptions import ImproperlyConfigured, SynchronousOnlyOperation
from django.db.models import Model
from django.template import Context
from django.template.base import Parser, Token
from django.urls import get_script_prefix
from django.utils.html import format_html, strip_tags
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

from ..assistants import Assistant
from ..assistants.about import models_of, signed, subject_of, uid_of
from ..assistants.buttons import sign
from ..assistants.discovery import DEFAULT, backends_of, label_of, name_of, registry
from ..assistants.hooks import usable
from ..backends.loading import max_message_length
from ..conf import conf
from ..db.branches import Stretch, earlier, tip_window
from ..errors import ERRORS, Refusal, sentence
from ..html.calls import CallConversation
from ..html.form import Refused, composer_view
from ..html.heading import heading_view
from ..html.messages import message_view, page_url
from ..html.model_name import model_name
from ..html.version import PAGE_VERSION
from ..html.widget import widget_view
from ..models import Message
from ..owners import Owner, known_owner
from ..text import CONVERSATION_ID
from ..visitors import is_refused, visitor
from ..wsgi import notice

register = template.Library()

_NO_ASSISTANT = "{{% {} %}} needs the name of an assistant of this site, got {!r}."

ICONS = "llm_chat icons"
"""The key under which a page notes that it has the icons."""


@register.inclusion_tag("llm_chat/conversation.html", takes_context=True)
def chat(
    context: Context,
    assistant: str = DEFAULT,
    *,
    conversation: str = "",
    about: Model | None = None,
    new: bool = False,
    closed: bool = False,
    page: str = "",
    refused: Refused | None = None,
) -> dict[str, Any]:
    """Show one of the visitor's conversations, with the form that sends messages.

    Args:
        context: the template's context, which must contain the request.
        assistant: the name of the assistant that answers: ``{% chat "support" %}``.
        conversation: the conversation's id, of 1 to 64 letters, digits, hyphens and underscores; empty for one that is
            made of the assistant's name and the object. Each visitor has a conversation of their own under it.
        about: the object that the conversation is about, of a model that the assistant names in ``about``.
        new: whether there is a heading with the conversation's title and a button that begins another one. Then the
            visitor's newest conversation with this assistant about this object is shown.
        closed: whether the conversation can only be read, because its object is gone.
        page: the URL that the address bar shows from the first message on; empty to keep the page's own.
        refused: a message or a decision that a form was refused.

    Raises:
        ImproperlyConfigured: if there is no request in the context, the request has no session, the
            site has no such assistant, the assistant does not talk about the object, the id is malformed or given
            together with ``new``, or the site does not include the app's URLs, which ``new`` needs.
        SynchronousOnlyOperation: in the thread of an event loop, as in an async view.
    """
    _check_thread()
    request = _request_in(context)
    found = registry.get(assistant)
    if found is None and not conversation:
        raise ImproperlyConfigured(_NO_ASSISTANT.format("chat", assistant))
    _check_object(found, about)
    subject = subject_of(assistant, about if found else None)
    if new:
        _check_new(conversation, uid_of(subject))
    conversation = conversation or uid_of(subject)
    _check_id(conversation)
    request._cache_update_cache = False  # Django's cache must not keep a page with one visitor's messages
    owner = visitor(request)
    if refused is None and is_refused(request):
        refused = Refused("", "", sentence("too_many_visitors", None))
    return_to = "" if page else request.get_full_path()
    title = label_of(found) if found and assistant != DEFAULT else ""
    heading = None
    if new:
        heading = heading_view(request, owner, subject, title, return_to)
        conversation = heading.conversation
    before = request.GET.get("before", "")
    end = tip_window(owner, conversation)
    running = bool(end.messages) and end.messages[-1].status == Message.Status.RUNNING
    older = _before(owner, conversation, before)
    shown = older or end
    token = signed(subject, owner.digest)
    return {
        "request": request,
        "server_notice": notice.of(request),
        "icons": _is_first(context),
        "heading": heading,
        "conversation_id": conversation,
        "owner": owner.digest,
        "former": owner.former_digest,
        "messages": [message_view(message) for message in shown.messages],
        "hit": request.GET.get("hit", ""),
        "earlier": shown.earlier,
        "later": older is not None,
        "page_url": page,
        "signed_in": owner.user_id is not None,
        "assistant": assistant,
        "label": title,
        "about": token,
        "forbidden": closed or found is None or not _may_ask(found, owner, about),
        "composer": composer_view(
            conversation, assistant, token, running=running, return_to=return_to, refused=refused
        ),
        **_of_the_site(found or registry.default),
    }


_compile_chat = register.tags["chat"]


@register.tag("chat")
def refuse_in_cache(parser: Parser, token: Token) -> template.Node:
    """Compile ``{% chat %}``. Raises ``TemplateSyntaxError`` inside ``{% cache %}``, which would keep it for others."""
    if any(name == "cache" for name, _ in parser.command_stack):
        raise template.TemplateSyntaxError(
            "{% chat %} cannot be inside {% cache %}: other visitors would be shown the conversation. Move it outside."
        )
    compiled: template.Node = _compile_chat(parser, token)
    return compiled


@register.inclusion_tag("llm_chat/widget.html", takes_context=True)
def chat_widget(
    context: Context,
    assistant: str = DEFAULT,
    *,
    about: Model | None = None,
    label: str = "",
    id: str = "",  # noqa: A002
    launcher: bool = True,
) -> dict[str, Any]:
    """Show a button in the corner of the page, which opens a conversation. It is loaded when it is first opened.

    The page costs no query more, and can be cached.

    Args:
        context: the template's context. The request may be missing.
        assistant: the name of the assistant that answers.
        about: the object that the conversation is about, of a model that the assistant names in ``about``.
        label: the text on the button; without it, the button has a picture.
        id: the id of the element, by which scripts and ``data-llm-chat-open`` tell it from others.
        launcher: whether there is a button. Without it, the site opens the conversation.

    Raises:
        ImproperlyConfigured: if the site has no such assistant, it does not talk about the object, or the site does not
            include the app's URLs.
    """
    found = registry.get(assistant)
    if found is None:
        raise ImproperlyConfigured(_NO_ASSISTANT.format("chat_widget", assistant))
    _check_object(found, about, "chat_widget")
    request = context.get("request")
    owner = known_owner(request) if request is not None else None
    view = widget_view(found, about, owner, str(label))
    return {"request": request, "widget": view, "id": id, "launcher": launcher}


@register.simple_tag(takes_context=True)
def nonce(context: Context) -> SafeString:
    """Write the attribute that lets a script or a style sheet load under a policy with nonces, if the request has one.

    Both django-csp and Django's own middleware (6.0) put it into the request.
    """
    request = context.get("request")
    found = getattr(request, "csp_nonce", None)
    if found is None:
        found = getattr(request, "_csp_nonce", None)
    return format_html(' nonce="{}"', found) if found is not None else SafeString()


@register.simple_block_tag(takes_context=True)
def tool_button(context: Context, content: str, tool: str, *, answer: bool = True, **arguments: Any) -> SafeString:
    """Show a button that calls a tool: ``{% tool_button "cancel" number=7 %}Cancel{% endtool_button %}``.

    It belongs into the template of a tool, whose context it needs. Where nothing can be pressed, it is left out.

    Args:
        context: the template's context.
        content: what is on the button. Its text becomes the visitor's message.
        tool: the name of a tool of the conversation's assistant.
        answer: whether the model is asked afterwards.
        arguments: those of the tool.

    Raises:
        ImproperlyConfigured: there is no such tool, it does not take the arguments, or the button has no text.
    """
    conversation = context.get("conversation")
    if not isinstance(conversation, CallConversation):
        raise ImproperlyConfigured("{% tool_button %} belongs into the template of a tool.")
    if not conversation.id or conversation.read_only:
        return SafeString()
    label = " ".join(strip_tags(content).split())
    value = sign(
        *(conversation.owner, conversation.id, conversation.assistant, tool, arguments, unescape(label)), answers=answer
    )
    return format_html(
        '<button class="llm-chat-action" form="llm-chat-calls-{}" name="call" value="press {}">{}</button>',
        *(conversation.id, value, mark_safe(content.strip())),  # noqa: S308 (rendered by the site's own template)
    )


def _check_object(assistant: type[Assistant] | None, about: Model | None, tag: str = "chat") -> None:
    """Raise ``ImproperlyConfigured`` if the assistant does not talk about an object."""
    if about is None or assistant is None:
        return
    models = models_of(assistant)
    if not isinstance(about, tuple(models)) or about.pk is None:
        expected = " or ".join(model._meta.label for model in models) or "nothing: it names no model in about"
        got = type(about).__name__ if getattr(about, "pk", None) is not None else "an object that is not stored"
        raise ImproperlyConfigured(f'{{% {tag} "{name_of(assistant)}" about=... %}} is about {expected}, got {got}.')


def _may_ask(assistant: type[Assistant], owner: Owner, about: Model | None) -> bool:
    """Tell whether the visitor may ask an assistant, about this object if there is one."""
    return bool(usable([assistant(user_id=owner.user_id, language=get_language() or "", about=about)]))


def _of_the_site(assistant: type[Assistant]) -> dict[str, Any]:
    """Return the part of the context that is the same for all visitors and conversations of an assistant."""
    return {
        "socket_path": get_script_prefix() + conf.socket_path.lstrip("/"),
        "page_version": PAGE_VERSION,
        "temporary_errors": " ".join(code for code, kind in ERRORS.items() if kind.temporary),
        "max_message_length": max_message_length(backends_of(assistant)[0]),
        "model": model_name(assistant),
        "starters": [str(starter.text) for starter in assistant.starters],
    }


def _is_first(context: Context) -> bool:
    """Tell whether a chat is the first one of its page, which has the icons of all: an id may occur once on a page."""
    page = context.render_context.dicts[0]  # one for all templates that a page is made of
    return not page.get(ICONS) and bool(page.setdefault(ICONS, "here"))


def _check_thread() -> None:
    """Raise ``SynchronousOnlyOperation`` in the thread of an event loop, where Django allows no queries."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    if not os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE"):
        raise SynchronousOnlyOperation(
            "{% chat %} reads the database, which an async view cannot do: render its page in a thread, with "
            "await sync_to_async(render)(request, ...) of asgiref.sync, or make the view synchronous."
        )


def _check_new(conversation: str, uid: str) -> None:
    """Raise ``ImproperlyConfigured`` where a chat cannot have a button that begins another conversation."""
    if conversation:
        raise ImproperlyConfigured("{% chat new=True %} shows the newest conversation: leave conversation= out.")
    if not page_url(uid):
        raise ImproperlyConfigured('{% chat new=True %} needs the pages of the app: include("llm_chat.urls").')


def _check_id(conversation: str) -> None:
    """Raise ``ImproperlyConfigured`` if the id of a conversation is malformed."""
    if not re.fullmatch(CONVERSATION_ID, conversation):
        raise ImproperlyConfigured(
            f"{{% chat %}} needs an id of 1 to 64 letters, digits, hyphens and underscores, got {conversation!r}."
        )


def _request_in(context: Context) -> Any:
    """Return the request in a template's context.

    Raises ``ImproperlyConfigured`` if there is none, or if it has no session.
    """
    request = context.get("request")
    if request is None or not hasattr(request, "session"):
        raise ImproperlyConfigured(
            "{% chat %} needs the request in the template's context (the context processor "
            '"django.template.context_processors.request", or render(request, ...)) and SessionMiddleware.'
        )
    return request


def _before(owner: Owner, conversation: str, message: str) -> Stretch | None:
    """Return the messages before the one that the address names; ``None`` if this conversation has no such message."""
    try:
        return earlier(owner, conversation, message) if re.fullmatch("[!-~]{1,64}", message) else None
    except Refusal:
        return None
