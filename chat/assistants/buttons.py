"""Buttons in the templates of tools: what pressing one does is signed, so that a client can change nothing about it."""

import json
import secrets
from typing import Any, NamedTuple

from django.core.exceptions import ImproperlyConfigured
from django.core.serializers.json import DjangoJSONEncoder
from django.core.signing import BadSignature, Signer

from ..db.values import Ask, Press
from ..errors import Refusal
from ..owners import Owner
from .discovery import registry
from .tools import ArgumentsError, tools_of

_SALT = "llm_chat.button"


class Button(NamedTuple):
    """What pressing a button does."""

    owner: str
    """The digest of the owner whose page shows it."""
    conversation: str
    """The ``uid`` of the conversation."""
    assistant: str
    tool: str
    arguments: dict[str, Any]
    label: str
    answers: bool
    """Whether the model is asked afterwards."""
    nonce: str
    """Tells one button from another: pressing the same one twice is one request."""

    @property
    def question(self) -> str:
        """Return the id of the message that pressing it makes."""
        return f"b-{self.nonce}"


def sign(
    owner: str, conversation: str, assistant: str, tool: str, arguments: dict[str, Any], label: str, *, answers: bool
) -> str:
    """Return the value of a new button. Raises ``ImproperlyConfigured`` if its tool does not take the arguments."""
    found = registry.get(assistant)
    there = tools_of(found).get(tool) if found else None
    if there is None:
        raise ImproperlyConfigured(f"A button expects a tool of the assistant {assistant}, got {tool!r}.")
    try:
        plain = json.loads(json.dumps(arguments, cls=DjangoJSONEncoder))
        there.check(plain)
    except (ArgumentsError, TypeError, ValueError) as error:
        raise ImproperlyConfigured(f"A button of the tool {tool} has arguments that do not fit: {error}") from error
    if not label:
        raise ImproperlyConfigured(f"A button of the tool {tool} needs a text.")
    button = Button(owner, conversation, assistant, tool, plain, label, answers, secrets.token_urlsafe(12))
    return Signer(salt=_SALT).sign_object(list(button), compress=True)


def read(value: str, owner: str, conversation: str, former: str = "") -> Button:
    """Return the button of this owner's page of this conversation whose value this is.

    ``former`` is the digest that the owner had before signing in, as a page may still have it. Raises ``Refusal`` if
    it was made for others, or not by this site.
    """
    try:
        found = Signer(salt=_SALT).unsign_object(value)
    except (BadSignature, ValueError):  # ValueError: what is signed is no JSON
        raise Refusal("not_found") from None
    match found:
        case [str(whose), str(uid), str(), str(), dict(), str(), bool(), str()] if uid == conversation and whose in (
            owner,
            former or owner,
        ):
            return Button(*found)
    raise Refusal("not_found")


def pressed(button: Button, owner: Owner, language: str, *, whole: bool = False) -> Ask:
    """Return the request that pressing a button makes: a question that is its text, whose answer begins with the call.

    ``whole`` says that the client shows whole branches.
    """
    return Ask(
        owner,
        button.conversation,
        button.question,
        button.label,
        whole=whole,
        language=language,
        assistant=button.assistant,
        press=Press(button.tool, button.arguments, button.answers),
    )
