"""The ways in which answers end: one table, from the model's reason to what is stored, sent and shown.

To add an ending, add a row here, and to ``llm_chat/footer.html`` what the page offers below such an answer.
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
    """The status of the message, one of ``Message.Status``."""
    chunk: Closing
    """The last chunk of its stream."""
    sentence: str = ""
    """Shown below the answer, in English; pages and exports translate it. Empty for a complete answer."""
    final: bool = True
    """Whether the answer is stored with this ending; otherwise it may still change after its stream is closed."""

    @property
    def finish_reason(self) -> str:
        """Return the finish reason to store with the message; empty if the answer was stopped or failed."""
        return self.chunk.finish_reason if isinstance(self.chunk, Finish) else ""

    @property
    def error(self) -> str:
        """Return the error code to store with the message, a key of ``errors.ERRORS``; empty without an error."""
        return self.chunk.code if isinstance(self.chunk, Error) else ""

    @property
    def can_continue(self) -> bool:
        """Tell whether another answer may continue the text of this one, if it has any."""
        return self.final and self.status not in ("complete", "waiting")

    def describe(self, has_content: bool) -> str:
        """Return the sentence to show below an answer, in the active language; empty if there is nothing to say.

        Args:
            has_content: whether the answer has any text or call; a complete answer without is shown to be empty.
        """
        sentence = self.sentence or ("" if has_content else EMPTY)
        return gettext(sentence) if sentence else ""


def _failure(code: str, status: str = "failed", *, final: bool = True) -> Ending:
    """Make the row of an error code. An unknown code, stored by another version of the app, counts as interrupted."""
    return Ending(status, Error(code), ERRORS.get(code, ERRORS["interrupted"]).sentence, final)


COMPLETE = Ending("complete", Finish("stop"))
FILTERED = Ending("complete", Finish("content-filter"), _("The answer was filtered by the model's provider."))
CUT = Ending("cut", Finish("length"), _("The answer reached its limit and was cut off."))
LIMITED = Ending("cut", Finish("other"), _("The answer was cut off, because a limit was reached."))
STOPPED = Ending("stopped", Abort(), _("Stopped."))
WAITING = Ending("waiting", Finish("tool-calls"), _("Waiting for your decision."))
INTERRUPTED = _failure("interrupted", "interrupted")
NOT_SAVED = _failure("not_saved", final=False)

ENDINGS = (COMPLETE, FILTERED, CUT, LIMITED, STOPPED, WAITING, INTERRUPTED, NOT_SAVED)
"""Every ending except the failures, of which there is one per error code."""

_BY_CHUNK = {ending.chunk: ending for ending in ENDINGS}
_BY_STATUS = {ending.status: ending for ending in (COMPLETE, CUT, STOPPED, WAITING)}
_BY_REASON: dict[FinishReason, Ending] = {
    "stop": COMPLETE,
    "length": CUT,
    "content-filter": FILTERED,
    # The model expects the result of a tool, and there are no tools: the answer is not complete.
    "tool-calls": _failure("upstream"),
    "error": _failure("upstream"),
    # An unknown reason does not mean that the answer is complete.
    "other": INTERRUPTED,
}


def failed(code: str) -> Ending:
    """Return the ending of an answer that failed with this error code."""
    return by_chunk(Error(code))


def by_reason(reason: FinishReason) -> Ending:
    """Return the ending of an answer whose model gave this reason; an unknown one means interrupted."""
    return _BY_REASON.get(reason, INTERRUPTED)


def by_chunk(chunk: Closing) -> Ending:
    """Return the ending of a stream whose last chunk this is."""
    if chunk in _BY_CHUNK:
        return _BY_CHUNK[chunk]
    return _failure(chunk.code) if isinstance(chunk, Error) else Ending("complete", chunk)


def by_columns(status: str, finish_reason: str, error: str) -> Ending:
    """Return the ending of a stored answer, given the values of its columns.

    An answer that is stored as running although no process is writing it was interrupted.
    """
    finished = by_chunk(Finish(cast(FinishReason, finish_reason)))
    if finish_reason and finished.status == status:
        return finished
    return _BY_STATUS.get(status) or failed(error or "interrupted")
