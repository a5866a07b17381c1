"""The widget as its tag shows it on a page of the site, before the chat is loaded."""

from dataclasses import dataclass
from urllib.parse import urlencode

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Model
from django.utils.translation import get_language, gettext

from ..assistants import Assistant
from ..assistants.about import EVERYBODY, signed, subject_of, uid_of
from ..assistants.discovery import DEFAULT, label_of, name_of
from ..owners import Owner
from .messages import page_url


@dataclass(frozen=True, slots=True)
class WidgetView:
    """The variable ``widget`` of ``llm_chat/widget.html``.

    Attributes:
        assistant: the name of the assistant.
        conversation: the id of the conversation with which the visitor begins.
        title: what the dialog is called.
        label: the text on the button; empty for a picture.
        url: the page of the conversation. It refers to the object. With ``fragment``, it is the chat alone.
    """

    assistant: str
    conversation: str
    title: str
    label: str
    url: str


def widget_view(assistant: type[Assistant], about: Model | None, owner: Owner | None, label: str = "") -> WidgetView:
    """Make the view of a widget.

    Args:
        assistant: the assistant that answers.
        about: the stored object that the conversation is about.
        owner: the visitor, if the page is for that visitor only; otherwise it is for everybody.
        label: the text on the button.

    Raises:
        ImproperlyConfigured: if the site does not include the app's URLs.
    """
    name = name_of(assistant)
    subject = subject_of(name, about)
    conversation = uid_of(subject)
    page = page_url(conversation)
    if not page:
        raise ImproperlyConfigured('{% chat_widget %} needs the app\'s pages: path("chat/", include("llm_chat.urls")).')
    query = {"assistant": name, "language": get_language() or ""}
    if about is not None:
        query["about"] = signed(subject, owner.digest if owner else EVERYBODY)
    has_name = assistant.label or name != DEFAULT
    title = label_of(assistant) if has_name else label or gettext("Chat")
    return WidgetView(name, conversation, title, label, f"{page}?{urlencode(query)}")
