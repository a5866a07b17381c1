"""The form that sends a message without JavaScript."""

import uuid
from dataclasses import dataclass

from .messages import page_url


@dataclass(frozen=True, slots=True)
class Refused:
    """What a form could not do, and the reason as a sentence: send a message, with this id and text, or decide."""

    id: str
    text: str
    error: str
    next: str = ""
    """The page of the site on which it was sent; empty for the conversation's own page."""


@dataclass(frozen=True, slots=True)
class ComposerView:
    """The form under the messages, as it works without JavaScript.

    Attributes:
        assistant: the name of the assistant with whom a new conversation begins.
        about: the page's reference to the object that a new conversation is about; may be empty.
        id: the id of the next message. A message that is posted twice under one id is stored once.
        action: the URL that the form posts to; empty in a site that does not include the app's ``urls``, where the form
            sends nothing.
        stop: the URL that stops the running answer; empty while none runs.
        next: the page of the site to return to; empty for the conversation's own page.
        text: the text in the field, after a message was refused.
        error: why a message or a decision was refused, as a sentence. The page is then the conversation's own.
    """

    id: str
    assistant: str = "default"
    about: str = ""
    action: str = ""
    stop: str = ""
    next: str = ""
    text: str = ""
    error: str = ""


def composer_view(
    uid: str,
    assistant: str = "default",
    about: str = "",
    *,
    running: bool,
    return_to: str = "",
    refused: Refused | None = None,
) -> ComposerView:
    """Make the form of one conversation, filled in with the message that was refused, if any.

    Args:
        uid: the conversation's id.
        assistant: the name of its assistant.
        about: the page's reference to the object that it is about.
        running: whether an answer runs in it, so that the form offers to stop it.
        return_to: the page to return to, empty for the conversation's own.
        refused: what a form of the page could not do.
    """
    action = page_url(uid)
    return ComposerView(
        id=refused.id if refused and refused.id else str(uuid.uuid4()),
        assistant=assistant,
        about=about,
        action=action,
        stop=f"{action}stop/" if action and running else "",
        next=refused.next if refused else return_to,
        text=refused.text if refused else "",
        error=refused.error if refused else "",
    )
