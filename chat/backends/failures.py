"""What an OpenAI-compatible endpoint says when it fails, as a ``BackendError``. No I/O.

Sources: https://platform.openai.com/docs/guides/error-codes; llama.cpp ``tools/server/README.md`` for
``exceed_context_size_error``. The details go to the log, so every secret is taken out of them.
"""

import json
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from .base import BackendError

MAX_EXCERPT_LENGTH = 500
"""How much of an endpoint's own words an error carries, in characters."""

REDACTED = "[redacted]"

CONTEXT_KINDS = {"context_length_exceeded", "exceed_context_size_error"}
CONTEXT_WORDS = ("context length", "context size", "context window")


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
    failure = _from_status(status, headers, body, secrets)
    failure.hint = f"HTTP {status}"
    return failure


def _from_status(status: int, headers: Mapping[str, str], body: bytes, secrets: Iterable[str]) -> BackendError:
    error = _error_object(body)
    kinds = _kinds(error)
    detail = f"The endpoint answered {status}: {excerpt(body, secrets)}"
    if 400 <= status < 500 and (kinds & CONTEXT_KINDS or (status == 400 and _speaks_of_context(error))):
        return ContextError(detail, length=_count(error, "n_prompt_tokens"), limit=_count(error, "n_ctx"))
    if status in (401, 403):
        return BackendError("auth", detail)
    after = retry_after(headers.get("retry-after"))
    if status == 429:
        return BackendError("rate_limited", detail, retry="insufficient_quota" not in kinds, retry_after=after)
    if 400 <= status < 500:
        return BackendError("refused", detail)
    return BackendError("upstream", detail, retry=status >= 500, retry_after=after)


def from_event(data: bytes, secrets: Iterable[str] = ()) -> BackendError:
    """The failure behind an error that came inside the stream."""
    detail = f"The endpoint sent an error in the stream: {excerpt(data, secrets)}"
    if _kinds(_error_object(data)) & CONTEXT_KINDS:
        return ContextError(detail)
    return BackendError("upstream", detail)


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
    except ValueError:
        return math.nan
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - datetime.now(UTC)).total_seconds()


def _error_object(body: bytes) -> dict[str, Any]:
    """The error of a body; endpoints nest it, do not, or send a bare sentence."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    error = value.get("error", value) if isinstance(value, dict) else value
    return error if isinstance(error, dict) else {"message": error}


def _kinds(error: dict[str, Any]) -> set[str]:
    return {kind for kind in (error.get("code"), error.get("type")) if isinstance(kind, str)}


def _speaks_of_context(error: dict[str, Any]) -> bool:
    message = str(error.get("message", "")).lower()
    return any(words in message for words in CONTEXT_WORDS)


def _count(error: dict[str, Any], name: str) -> int | None:
    value = error.get(name)
    return value if isinstance(value, int) and value > 0 else None
