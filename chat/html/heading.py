"""The heading of a chat on a page of the site: the conversation's title, and a button that begins another one."""

from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext

from ..assistants.about import uid_of
from ..beginnings import begun_in, forget
from ..db.newest import is_stored, newest
from ..db.values import Subject
from ..owners import Owner


@dataclass(frozen=True, slots=True)
class HeadingView:
    """The variable ``heading`` of ``llm_chat/heading.html``.

    Attributes:
        conversation: the id of the conversation that is shown.
        title: its title, or that of the chat if it has none.
        url: where the form is sent that begins another one.
        next: the page that follows.
    """

    conversation: str
    title: str
    url: str
    next: str


def heading_view(request: HttpRequest, owner: Owner, subject: Subject, label: str, page: str) -> HeadingView:
    """Choose the conversation with a subject that a chat shows, and make the view of its heading.

    Args:
        request: the request, whose session may have begun a conversation.
        owner: the visitor.
        subject: the assistant and the object.
        label: the assistant's name for visitors; empty for the site's only one.
        page: the page that the chat is on.
    """
    derived, title = uid_of(subject), ""
    conversation = begun_in(request.session, derived)
    if conversation and is_stored(owner, conversation):
        forget(request.session, derived)
        conversation = ""
    if not conversation:
        conversation, title = newest(owner, subject)
    url = reverse("llm_chat:new", args=[derived])
    return HeadingView(conversation or derived, title or label or gettext("New chat"), url, page)
