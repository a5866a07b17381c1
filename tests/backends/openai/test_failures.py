"""The codes of failures, and the secrets that their details must not contain."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from chat.backends.openai.failures import (
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
def test_a_history_that_is_too_long_is_recognised(error):
    assert failure(400, **error).code == "context"


def test_the_lengths_that_llama_cpp_reports_are_kept():
    error = failure(400, type="exceed_context_size_error", n_prompt_tokens=4031, n_ctx=2048)
    assert isinstance(error, ContextError)
    assert (error.length, error.limit) == (4031, 2048)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[1]", b"null", b'"no"', b'{"error": "no"}', b"\xff", b"[" * 100_000]
)
def test_a_body_of_any_shape_has_a_code(body):
    assert from_status(400, {}, body).code == "refused"
    assert from_event(body).code == "upstream"


def test_an_error_in_the_stream_that_names_no_cause_is_not_tried_again():
    error = from_event(b'{"error": {"message": "It broke."}}')
    assert (error.code, error.retry) == ("upstream", False)


def test_an_error_in_the_stream_can_be_about_the_context():
    assert from_event(b'{"error": {"code": "context_length_exceeded"}}').code == "context"


def test_the_details_contain_the_status_and_the_endpoints_text():
    assert "500" in str(failure(500, message="out of memory"))
    assert "out of memory" in str(failure(500, message="out of memory"))


def test_no_secret_is_in_the_details():
    error = failure(401, secrets=["sk-secret"], message="Wrong key: sk-secret.")
    assert "sk-secret" not in str(error)
    assert REDACTED in str(error)


def test_a_secret_across_the_cut_is_redacted_too():
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


def test_b07_an_impossible_date_is_ignored():
    assert retry_after("Mon, 01 Jan 99999999999999999999 00:00:00 GMT") is None


def test_a_date_in_the_past_means_now():
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0


def event_failure(**error):
    return from_event(json.dumps({"error": error}).encode())


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 413, 422, 429, 500, 502, 503, 529])
@pytest.mark.parametrize("name", ["code", "status", "status_code", "top"])
@pytest.mark.parametrize("kind", [int, str])
def test_b07_an_error_in_the_stream_is_the_same_as_its_http_status(status, name, kind):
    value = {"error": {"message": "So."}, "code": kind(status)} if name == "top" else {"error": {name: kind(status)}}
    event, response = from_event(json.dumps(value).encode()), failure(status)
    assert (event.code, event.retry) == (response.code, response.retry)


@pytest.mark.parametrize(
    ("error", "code", "retry"),
    [
        ({"type": "server_error", "code": None}, "upstream", True),
        ({"type": "overloaded_error", "message": "Overloaded"}, "upstream", True),
        ({"message": "overloaded"}, "upstream", True),
        ({"type": "tokens", "code": "rate_limit_exceeded"}, "rate_limited", True),
        ({"code": "insufficient_quota", "message": "You exceeded your current quota"}, "rate_limited", False),
        ({"code": "invalid_api_key", "type": "invalid_request_error"}, "auth", False),
        ({"status": "RESOURCE_EXHAUSTED"}, "rate_limited", True),
        ({"status": "UNAVAILABLE"}, "upstream", True),
        ({"type": "invalid_request_error", "message": "Unknown parameter"}, "refused", False),
        ({"code": "content_filter", "message": "The response was filtered"}, "refused", False),
        ({"code": 99, "message": "It broke."}, "upstream", False),
        ({"code": True}, "upstream", False),
        ({"code": 200}, "upstream", False),
    ],
)
def test_b07_an_error_in_the_stream_is_classified_by_its_own_code_or_type(error, code, retry):
    event = event_failure(**error)
    assert (event.code, event.retry) == (code, retry)


TOO_LONG = [
    "prompt is too long: 208310 tokens > 200000 maximum",
    "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
    "Input tokens exceed the configured limit of 272000 tokens. Please reduce the length of the messages.",
    "Input is too long for requested model.",
    "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length",
    "too many tokens",
    "Requested token count exceeds the model's maximum context length of 131072 tokens.",
    "the request exceeds the available context size. try increasing the context size or enable context shift",
    "Trying to keep the first 5000 tokens when context the overflows.",
    "`inputs` tokens + `max_new_tokens` must be <= 2048. Given: 3000 `inputs` tokens; input length too large",
    "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048. Given: 3000 `inputs` tokens and 9"
    " `max_new_tokens`",
    "Input validation error: `inputs` must have less than 1024 tokens. Given: 3000",
    "max_tokens must be at least 1, got -2000.",
    "Prompt 超长",
    "输入内容超过模型最大长度",
    "The messages are too long.",
]


@pytest.mark.parametrize("message", TOO_LONG)
def test_b08_a_history_that_is_too_long_is_recognised_in_many_wordings(message):
    assert failure(400, message=message).code == "context"
    assert event_failure(message=message).code == "context"
    assert event_failure(message=message, code=400).code == "context"
    assert not event_failure(message=message).retry


@pytest.mark.parametrize(
    "message",
    [
        "Rate limit reached for gpt-5 in organization org-x on tokens per min (TPM): Limit 30000, Used 28000.",
        "Request too large for gpt-5 on tokens per min (TPM): Limit 30000, Requested 35000. The input or output "
        "tokens must be reduced in order to run successfully.",
        "Too many tokens, please wait before trying again.",
        "Too many requests: you have exceeded the number of tokens a minute",
    ],
)
def test_b08_too_many_tokens_a_minute_are_throttling(message):
    assert failure(429, message=message).code == "rate_limited"
    assert event_failure(message=message).code == "rate_limited"
    assert event_failure(message=message).retry


@pytest.mark.parametrize(
    "message",
    [
        "max_tokens is too large: 5000. This model supports at most 4096 completion tokens.",
        "Unsupported value: 'temperature' does not support 0.2 with this model.",
        "The model `gpt-9` does not exist",
        "max_tokens (8192) exceeds the maximum of 4096 output tokens",
        "`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens` is less than the"
        " `context_window` for this model",
        "The request took too long",
        "Your request failed a second time",
    ],
)
def test_b08_another_refusal_is_not_taken_for_one_about_the_context(message):
    assert failure(400, message=message).code == "refused"


@pytest.mark.parametrize(
    "body",
    [
        [{"error": {"code": 400, "message": "API key not valid. Please pass a valid API key.", "status": "INVALID"}}],
        {"error": {"message": "Incorrect API key provided", "type": "invalid_request_error"}},
        {"error": "Unauthorized"},
        {"detail": "Invalid API key"},
    ],
)
def test_b09_an_invalid_key_is_an_auth_failure(body):
    data = json.dumps(body).encode()
    assert from_status(400, {}, data).code == "auth"
    assert from_event(data).code == "auth"


def test_b09_a_list_of_errors_is_read_like_one():
    body = json.dumps([{"error": {"code": 400, "message": "The input token count exceeds the maximum"}}]).encode()
    assert from_status(400, {}, body).code == "context"


def test_b09_the_parts_of_the_request_that_an_error_repeats_are_ignored():
    detail = [{"loc": ["body"], "msg": "Field required", "input": {"messages": "rate limit, prompt is too long"}}]
    assert from_status(400, {}, json.dumps({"detail": detail}).encode()).code == "refused"


def test_b09_a_question_that_was_flagged_is_refused():
    assert failure(403, message="Your input was flagged").code == "refused"
