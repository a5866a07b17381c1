"""The form that sends a message without a script."""

import uuid
from dataclasses import dataclass

from .messages import page_url


@dataclass(frozen=True, slots=True)
class Refused:
    """A message that could not be sent by the form: its id and text, and the sentence that says why."""

    id: str
    text: str
    error: str


@dataclass(frozen=True, slots=True)
class ComposerView:
    """The form under the messages, as it works without a script.

    ``id`` is the next message's: posted twice, it is stored once. Without ``action``, in a site that does not include
    the app's ``urls``, the form sends nothing. ``stop`` is set while an answer runs; ``next`` leads back to another
    page.
    """

    id: str
    action: str = ""
    stop: str = ""
    next: str = ""
    text: str = ""
    error: str = ""


def composer_view(uid: str, *, running: bool, leads_to: str = "", refused: Refused | None = None) -> ComposerView:
    """The form of one conversation, with what was refused before in it."""
    action = page_url(uid)
    return ComposerView(
        id=refused.id if refused else str(uuid.uuid4()),
        action=action,
        stop=f"{action}stop/" if action and running else "",
        next=leads_to,
        text=refused.text if refused else "",
        error=refused.error if refused else "",
    )
