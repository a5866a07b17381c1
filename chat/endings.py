"""How answers end: one table, from the model's reason to what is stored, sent and shown.

A new ending is a row here, and whatever ``llm_chat/footer.html`` offers below such an answer.
"""

from dataclasses import dataclass
from typing import cast

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from .chunks import Abort, Closing, Error, Finish, FinishReason
from .errors import ERRORS

EMPTY = _("The answer is empty.")


@dataclass(frozen=True, slots=True)
class Ending:
    """One way in which an answer ends."""

    status: str
    """The status of the message; one of ``Message.Status``."""
    chunk: Closing
    """The last chunk of its stream."""
    sentence: str = ""
    """What is shown below the answer, in English; pages and exports show it translated. Empty for a whole answer."""
    final: bool = True
    """Whether the answer is stored so; one that is not may still change after its stream has been closed."""

    @property
    def finish_reason(self) -> str:
        """The reason that is stored with the message: the model's, or ours in its place."""
        return self.chunk.finish_reason if isinstance(self.chunk, Finish) else ""

    @property
    def error(self) -> str:
        """The code of the error that is stored with the message, a key of ``errors.ERRORS``."""
        return self.chunk.code if isinstance(self.chunk, Error) else ""

    @property
    def can_continue(self) -> bool:
        """Whether another answer may begin with the text of this one, if there is any."""
        return self.final and self.status != "complete"

    def describe(self, has_text: bool) -> str:
        """Return the sentence to show below an answer, in the active language; empty if there is nothing to say."""
        sentence = self.sentence or ("" if has_text else EMPTY)
        return gettext(sentence) if sentence else ""


def _failure(code: str, status: str = "failed", *, final: bool = True) -> Ending:
    """Make the row of an error. An unknown code was stored by another version of this app."""
    return Ending(status, Error(code), ERRORS.get(code, ERRORS["interrupted"]).sentence, final)


COMPLETE = Ending("complete", Finish("stop"))
FILTERED = Ending("complete", Finish("content-filter"), _("The answer was filtered by the model's provider."))
CUT = Ending("cut", Finish("length"), _("The answer reached its limit and was cut off."))
STOPPED = Ending("stopped", Abort(), _("Stopped."))
INTERRUPTED = _failure("interrupted", "interrupted")
NOT_SAVED = _failure("not_saved", final=False)

ENDINGS = (COMPLETE, FILTERED, CUT, STOPPED, INTERRUPTED, NOT_SAVED)
"""Every ending but the failures, of which each error code has one."""

_BY_CHUNK = {ending.chunk: ending for ending in ENDINGS}
_BY_STATUS = {ending.status: ending for ending in (COMPLETE, CUT, STOPPED)}
_BY_REASON: dict[FinishReason, Ending] = {
    "stop": COMPLETE,
    "length": CUT,
    "content-filter": FILTERED,
    # The model waits for tools, and there are none: the answer is not whole.
    "tool-calls": _failure("upstream"),
    "error": _failure("upstream"),
    # An unknown reason does not say that the answer is whole.
    "other": INTERRUPTED,
}


def failed(code: str) -> Ending:
    """Return the ending of an answer that failed with an error code."""
    return by_chunk(Error(code))


def by_reason(reason: FinishReason) -> Ending:
    """Return the ending of an answer whose model gave this reason."""
    return _BY_REASON.get(reason, INTERRUPTED)


def by_chunk(chunk: Closing) -> Ending:
    """Return the ending of a stream whose last chunk this is."""
    if chunk in _BY_CHUNK:
        return _BY_CHUNK[chunk]
    return _failure(chunk.code) if isinstance(chunk, Error) else Ending("complete", chunk)


def by_columns(status: str, finish_reason: str, error: str) -> Ending:
    """Return the ending of a stored answer.

    An answer that is stored as running, but that no process writes, was interrupted.
    """
    finished = by_chunk(Finish(cast(FinishReason, finish_reason)))
    if finish_reason and finished.status == status:
        return finished
    return _BY_STATUS.get(status) or failed(error or "interrupted")
