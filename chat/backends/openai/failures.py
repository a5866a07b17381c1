"""Maps what an OpenAI-compatible endpoint says when it fails to a ``BackendError``. No I/O.

One rule classifies a status, an error body and an error event, by the words in ``wordings.py``. The details are
logged, so every secret is taken out of them.
"""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from ..base import BackendError
from .decoding import is_error, load
from .wordings import AUTH, BUSY, CONTEXT, CONTEXT_KINDS, FLAGGED, KINDS, OPTION, QUOTA_KINDS, THROTTLED

MAX_EXCERPT_LENGTH = 500
"""How much of an endpoint's text an error carries, in characters."""

REDACTED = "[redacted]"

MAX_WORDS_LENGTH = 4_000
"""How much of an endpoint's text is searched to classify an error, in characters."""

SENTENCE_KEYS = ("message", "msg", "detail", "details", "error", "errors", "reason", "reasons", "raw", "metadata")
"""The keys under which an error has sentences; other keys may repeat the request."""


class ContextError(BackendError):
    """The messages do not fit the model's context.

    ``length`` and ``limit`` are in tokens; ``None`` if the endpoint did not report them.
    """

    def __init__(self, detail: str, *, length: int | None = None, limit: int | None = None) -> None:
        super().__init__("context", detail)
        self.length = length
        self.limit = limit


def excerpt(body: bytes, secrets: Iterable[str]) -> str:
    """Return the beginning of a body, with the secrets redacted.

    Redact before cutting, because a secret that is cut in two would not be recognised.
    """
    text = body.decode(errors="replace")
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    return text[:MAX_EXCERPT_LENGTH]


def from_status(status: int, headers: Mapping[str, str], body: bytes, secrets: Iterable[str] = ()) -> BackendError:
    """Make the error for a response whose status is not 200."""
    detail = f"The endpoint answered {status}: {excerpt(body, secrets)}"
    failure = _classify(status, _error_object(body), detail, retry_after(headers.get("retry-after")))
    failure.hint = f"HTTP {status}"
    return failure


def from_event(data: bytes, secrets: Iterable[str] = ()) -> BackendError:
    """Make the error for a failure that came with status 200, in the stream or in place of one."""
    detail = f"The endpoint sent an error in the stream: {excerpt(data, secrets)}"
    error = _error_object(data)
    status = _status(error)
    failure = _classify(status, error, detail, None)
    failure.hint = "an error in the stream" + (f", as HTTP {status}" if status else "")
    return failure


def _classify(status: int | None, error: dict[str, Any], detail: str, after: float | None) -> BackendError:
    """Classify an error by its status (``None`` if unknown), its code or type, and its sentences."""
    kinds, words = _kinds(error), _words(error)
    throttled = status == 429 or (status in (None, 400, 413) and bool(THROTTLED.search(words)))
    context = status == 413 or (status not in (401, 403) and bool(CONTEXT.search(words)) and not OPTION.match(words))
    if CONTEXT_KINDS.intersection(kinds) or (context and not throttled):
        return ContextError(detail, length=_count(error, "n_prompt_tokens"), limit=_count(error, "n_ctx"))
    if throttled:
        return BackendError("rate_limited", detail, retry=QUOTA_KINDS.isdisjoint(kinds), retry_after=after)
    if status == 401 or (status == 403 and not FLAGGED.search(words)):
        return BackendError("auth", detail)
    if status in (None, 400) and AUTH.search(words):
        return BackendError("auth", detail)
    if status is not None and 400 <= status < 500 and status != 408:
        return BackendError("refused", detail)
    passes = BUSY.search(words) is not None if status is None else status >= 400
    return BackendError("upstream", detail, retry=passes, retry_after=after)


def retry_after(value: str | None) -> float | None:
    """Return the seconds to wait from a ``Retry-After`` header in either form (RFC 9110, section 10.2.3).

    Return ``None`` if there is no such header, or if it cannot be read.
    """
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = _seconds_until(value)
    return max(seconds, 0.0) if math.isfinite(seconds) else None


def _seconds_until(date: str) -> float:
    try:
        moment = parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return math.nan
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - datetime.now(UTC)).total_seconds()


def _error_object(body: bytes) -> dict[str, Any]:
    """Find the error object in a body: nested or not, in a list or in a choice, or made from a bare sentence."""
    try:
        value = load(body)
    except ValueError:
        return {"message": body.decode(errors="replace")}
    if isinstance(value, list):
        value = next((entry for entry in value if isinstance(entry, dict)), {})
    choices = value.get("choices") if isinstance(value, dict) else None
    for entry in (value, *(choices if isinstance(choices, list) else ())):
        error = entry.get("error") if isinstance(entry, dict) else None
        if is_error(error):
            return {**entry, **error} if isinstance(error, dict) else {**entry, "message": error}
    return value if isinstance(value, dict) else {"message": value}


def _kinds(error: dict[str, Any]) -> list[str]:
    """Return the code, status and type of an error, normalised; the code comes first because it is more precise."""
    named = (error.get(name) for name in ("code", "status", "type"))
    return [re.sub(r"[\s.-]+", "_", kind).lower() for kind in named if isinstance(kind, str)]


def _status(error: dict[str, Any]) -> int | None:
    """Return the HTTP status that an error names, as a number or by its code or type; ``None`` if there is none."""
    for name in ("code", "status", "status_code", "statusCode", "http_status"):
        value = error.get(name)
        if isinstance(value, str) and value.isdecimal() and len(value) == 3:
            value = int(value)
        if type(value) is int and 400 <= value < 600:
            return value
    return next((KINDS[kind] for kind in _kinds(error) if kind in KINDS), None)


def _words(value: Any, depth: int = 5) -> str:
    """Collect the sentences of an error, in lower case."""
    if isinstance(value, str):
        return value[:MAX_WORDS_LENGTH].lower()
    if depth and isinstance(value, dict):
        value = [value[name] for name in SENTENCE_KEYS if name in value]
    if depth and isinstance(value, list):
        return " ".join(_words(entry, depth - 1) for entry in value[:20])[:MAX_WORDS_LENGTH]
    return ""


def _count(error: dict[str, Any], name: str) -> int | None:
    value = error.get(name)
    return value if isinstance(value, int) and value > 0 else None
