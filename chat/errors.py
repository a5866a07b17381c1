"""Every error that reaches a client, and the exceptions that carry one.

Clients get a fixed code and a fixed sentence; the details are logged. ``docs/protocol.md`` lists the codes. To add one,
add a row to ``ERRORS``.
"""

from datetime import datetime
from typing import NamedTuple

from django.utils.translation import gettext, override
from django.utils.translation import gettext_noop as _


class ErrorKind(NamedTuple):
    """One row of ``ERRORS``."""

    sentence: str
    """In English; pages translate it."""
    status: int = 400
    """The status of the response, for requests over HTTP."""
    temporary: bool = False
    """Whether the page should try again on another connection without telling the visitor."""


ERRORS: dict[str, ErrorKind] = {
    "empty": ErrorKind(_("The message is empty.")),
    "too_long": ErrorKind(_("The message is too long."), 413),
    "busy": ErrorKind(_("An answer is already running in this conversation."), 409),
    "unsupported": ErrorKind(_("Only text messages can be sent here.")),
    "conflict": ErrorKind(_("This was already sent with another text, or can no longer be decided."), 409),
    "not_found": ErrorKind(_("There is no such message in this conversation."), 404),
    "gone": ErrorKind(_("This conversation is no longer there.")),
    "forbidden": ErrorKind(_("You may not do this."), 403),
    "session": ErrorKind(_("You have signed in or out since the page was loaded. Please try again here."), 409),
    "limit": ErrorKind(_("You have reached the limit."), 429),
    "too_many_answers": ErrorKind(_("Too many of your answers are running. Wait until one has ended."), 429),
    "too_many_conversations": ErrorKind(_("You have too many conversations. Delete some of them first."), 409),
    "too_many_visitors": ErrorKind(_("Too many new visitors come from your network. Please try again later."), 429),
    "too_many": ErrorKind(_("Too many requests are open on this connection.")),
    "declined": ErrorKind(_("This cannot be answered here."), 403),
    "draining": ErrorKind(_("The server is restarting. Please try again in a moment."), 503, temporary=True),
    "storage": ErrorKind(_("The message could not be stored. Please try again."), 503),
    "not_saved": ErrorKind(_("The answer could not be saved yet.")),
    "lost": ErrorKind(_("The server lost sight of the answer. Please load the conversation again."), temporary=True),
    "auth": ErrorKind(_("The model refused the site's credentials.")),
    "rate_limited": ErrorKind(_("The model is receiving too many requests. Please try again later.")),
    "context": ErrorKind(_("The conversation is too long for this model.")),
    "refused": ErrorKind(_("The model refused the request.")),
    "upstream": ErrorKind(_("The model is not available. Please try again.")),
    "tools": ErrorKind(_("The model could not use its tools.")),
    "format": ErrorKind(_("The model's answer does not have the expected form.")),
    "timeout": ErrorKind(_("The model took too long to answer.")),
    "interrupted": ErrorKind(_("The answer was interrupted.")),
    "unavailable": ErrorKind(_("The model could not be started on this server.")),
    "not_installed": ErrorKind(_("The chat is not set up yet.")),
    "internal": ErrorKind(_("Something went wrong. Please try again.")),
}
"""Every error, by its code."""


def sentence(code: str, language: str | None = "") -> str:
    """Return the sentence of an error code; an empty string for an unknown code.

    Args:
        code: a key of ``ERRORS``.
        language: a language code, such as ``"de"``; an empty string for the fixed sentence in English; ``None`` for the
            active language.
    """
    if code not in ERRORS:
        return ""
    if language is None:
        return gettext(ERRORS[code].sentence)
    if not language:
        return ERRORS[code].sentence
    with override(language):
        return gettext(ERRORS[code].sentence)


class Refusal(Exception):  # noqa: N818 (a valid outcome of a request, not a fault)
    """A well-formed request is refused with a code of ``ERRORS``; nothing was stored.

    ``text`` is a sentence of the site's for the visitor, in place of the code's own. ``retry_at`` is the time from
    which the request will not be refused for the same reason, if that is known.
    """

    def __init__(self, code: str, text: str = "", *, retry_at: datetime | None = None) -> None:
        super().__init__(text or ERRORS[code].sentence)
        self.code = code
        self.text = text
        self.retry_at = retry_at

    def sentence(self, language: str | None = "") -> str:
        """Return what the visitor reads; ``language`` as in ``sentence``."""
        return self.text or sentence(self.code, language)


class ChatRefused(Exception):  # noqa: N818 (a valid outcome, not a fault)
    """Nobody is asked, and nothing is stored. The text is a sentence for the visitor.

    Args:
        text: the sentence.
        code: a key of ``ERRORS``.
        retry_at: when it will not be refused for the same reason, if that is known.
    """

    def __init__(self, text: str = "", code: str = "declined", retry_at: datetime | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.retry_at = retry_at


class BackendError(Exception):
    """A model's reply failed.

    Args:
        code: a key of ``ERRORS``.
        detail: for the log file at level DEBUG, never for a client; it may contain text from the endpoint.
        retry: whether the same call may succeed later.
        retry_after: how long the endpoint asked to wait, in seconds.
    """

    hint = ""
    """Safe to log at any level; must not contain text from the endpoint."""

    def __init__(self, code: str, detail: str, *, retry: bool = False, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.retry = retry
        self.retry_after = retry_after
