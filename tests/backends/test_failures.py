"""Which code a failure gets, and what its details do not say."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from chat.backends.failures import (
    MAX_EXCERPT_LENGTH,
    REDACTED,
    ContextError,
    excerpt,
    from_event,
    from_status,
    retry_after,
)


def failure(status, headers=None, secrets=(), **error):
    return from_status(status, headers or {}, json.dumps({"error": error}).encode(), secrets)


@pytest.mark.parametrize(
    ("status", "code", "retry"),
    [
        (302, "upstream", False),
        (400, "refused", False),
        (401, "auth", False),
        (403, "auth", False),
        (404, "refused", False),
        (422, "refused", False),
        (429, "rate_limited", True),
        (500, "upstream", True),
        (503, "upstream", True),
    ],
)
def test_a_status_has_a_code_and_says_whether_to_try_again(status, code, retry):
    error = failure(status)
    assert (error.code, error.retry) == (code, retry)


def test_a_spent_quota_is_not_tried_again():
    assert not failure(429, code="insufficient_quota").retry


@pytest.mark.parametrize("status", [429, 503])
def test_the_time_to_wait_is_passed_on(status):
    assert failure(status, {"retry-after": "3"}).retry_after == 3.0


@pytest.mark.parametrize(
    "error",
    [
        {"code": "context_length_exceeded"},
        {"code": 400, "type": "exceed_context_size_error"},
        {"type": "BadRequestError", "message": "This model's maximum context length is 2048 tokens."},
    ],
)
def test_a_history_that_is_too_long_is_told_apart(error):
    assert failure(400, **error).code == "context"


def test_the_lengths_that_llama_cpp_tells_are_kept():
    error = failure(400, type="exceed_context_size_error", n_prompt_tokens=4031, n_ctx=2048)
    assert isinstance(error, ContextError)
    assert (error.length, error.limit) == (4031, 2048)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[1]", b"null", b'"no"', b'{"error": "no"}', b"\xff", b"[" * 100_000]
)
def test_a_body_of_any_shape_has_a_code(body):
    assert from_status(400, {}, body).code == "refused"
    assert from_event(body).code == "upstream"


def test_an_error_in_the_stream_is_not_tried_again():
    error = from_event(b'{"error": {"message": "overloaded"}}')
    assert (error.code, error.retry) == ("upstream", False)


def test_an_error_in_the_stream_can_be_about_the_context():
    assert from_event(b'{"error": {"code": "context_length_exceeded"}}').code == "context"


def test_the_details_have_the_status_and_what_was_said():
    assert "500" in str(failure(500, message="out of memory"))
    assert "out of memory" in str(failure(500, message="out of memory"))


def test_no_secret_is_in_the_details():
    error = failure(401, secrets=["sk-secret"], message="Wrong key: sk-secret.")
    assert "sk-secret" not in str(error)
    assert REDACTED in str(error)


def test_a_secret_across_the_cut_is_taken_out_too():
    body = b"x" * (MAX_EXCERPT_LENGTH - 4) + b"sk-secret"
    assert "sk-" not in excerpt(body, ["sk-secret"])


def test_an_excerpt_is_short():
    assert len(excerpt(b"x" * 10_000, [])) == MAX_EXCERPT_LENGTH


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(None, None), ("", None), ("2", 2.0), ("0.5", 0.5), ("-3", 0.0), ("soon", None), ("nan", None), ("1e999", None)],
)
def test_seconds_to_wait_are_read(value, seconds):
    assert retry_after(value) == seconds


@pytest.mark.parametrize("usegmt", [True, False])
def test_a_date_to_wait_for_is_read(usegmt):
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=usegmt)
    assert 50 < retry_after(date) <= 60


def test_a_date_without_a_zone_is_in_utc():
    date = format_datetime((datetime.now(UTC) + timedelta(seconds=60)).replace(tzinfo=None))
    assert 50 < retry_after(date) <= 60


def test_a_date_in_the_past_means_now():
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
