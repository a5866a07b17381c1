"""What an OpenAI-compatible endpoint says when it fails, as a ``BackendError``. No I/O.

One rule classifies a status, an error body and an error event; ``wordings.py`` has the words that it goes by. The
details go to the log, so every secret is taken out of them.
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
"""How much of an endpoint's own words an error carries, in characters."""

REDACTED = "[redacted]"

MAX_WORDS_LENGTH = 4_000
"""How much of them is looked at to tell what went wrong, in characters."""

SAID_UNDER = ("message", "msg", "detail", "details", "error", "errors", "reason", "reasons", "raw", "metadata")
"""Where an error has sentences; elsewhere it may repeat what it was sent."""


class ContextError(BackendError):
    """The messages do not fit the model's context: ``length`` tokens against ``limit``, where the endpoint told."""

    def __init__(self, detail: str, *, length: int | None = None, limit: int | None = None) -> None:
        super().__init__("context", detail)
        self.length = length
        self.limit = limit


def excerpt(body: bytes, secrets: Iterable[str]) -> str:
    """The beginning of a body, without the secrets. They are taken out first: a cut one would not be recognised."""
    text = body.decode(errors="replace")
    for secret in secrets:
        text = text.replace(secret, REDACTED)
    return text[:MAX_EXCERPT_LENGTH]


def from_status(status: int, headers: Mapping[str, str], body: bytes, secrets: Iterable[str] = ()) -> BackendError:
    """The failure behind a response that is not 200."""
    detail = f"The endpoint answered {status}: {excerpt(body, secrets)}"
    failure = _classify(status, _error_object(body), detail, retry_after(headers.get("retry-after")))
    failure.hint = f"HTTP {status}"
    return failure


def from_event(data: bytes, secrets: Iterable[str] = ()) -> BackendError:
    """The failure behind an error that came with status 200: in the stream, or in its place."""
    detail = f"The endpoint sent an error in the stream: {excerpt(data, secrets)}"
    error = _error_object(data)
    status = _status(error)
    failure = _classify(status, error, detail, None)
    failure.hint = "an error in the stream" + (f", as HTTP {status}" if status else "")
    return failure


def _classify(status: int | None, error: dict[str, Any], detail: str, after: float | None) -> BackendError:
    """One rule for all of them; ``status`` is ``None`` where an error names none."""
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
    """Seconds to wait, from a ``Retry-After`` header in either form (RFC 9110, section 10.2.3)."""
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
    """The error of a body; endpoints nest it, do not, put it into a list or a choice, or send a bare sentence."""
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
    """What an error calls itself, the code first: it is more precise than the type."""
    named = (error.get(name) for name in ("code", "status", "type"))
    return [re.sub(r"[\s.-]+", "_", kind).lower() for kind in named if isinstance(kind, str)]


def _status(error: dict[str, Any]) -> int | None:
    """The HTTP status that an error names, as a number or by what it calls itself."""
    for name in ("code", "status", "status_code", "statusCode", "http_status"):
        value = error.get(name)
        if isinstance(value, str) and value.isdecimal() and len(value) == 3:
            value = int(value)
        if type(value) is int and 400 <= value < 600:
            return value
    return next((KINDS[kind] for kind in _kinds(error) if kind in KINDS), None)


def _words(value: Any, depth: int = 5) -> str:
    """The sentences of an error, in lower case."""
    if isinstance(value, str):
        return value[:MAX_WORDS_LENGTH].lower()
    if depth and isinstance(value, dict):
        value = [value[name] for name in SAID_UNDER if name in value]
    if depth and isinstance(value, list):
        return " ".join(_words(entry, depth - 1) for entry in value[:20])[:MAX_WORDS_LENGTH]
    return ""


def _count(error: dict[str, Any], name: str) -> int | None:
    value = error.get(name)
    return value if isinstance(value, int) and value > 0 else None
