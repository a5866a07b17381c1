"""The codes, types and sentences by which endpoints report what went wrong. No I/O.

Sources: the error pages of OpenAI, Azure, Anthropic, Gemini (``google.rpc.Code``), Mistral, OpenRouter, Groq, DeepSeek
and Bedrock; the error messages of vLLM, llama.cpp, Ollama, LM Studio and TGI.
"""

import re

CONTEXT_KINDS = {
    "context_length_exceeded",
    "exceed_context_size_error",
    "context_window_exceeded",
    "model_context_window_exceeded",
    "string_above_max_length",
    "input_too_long",
    "prompt_too_long",
}
QUOTA_KINDS = {"insufficient_quota", "billing_hard_limit_reached", "quota_exceeded", "insufficient_balance"}

STATUSES = {
    400: "invalid_request_error invalid_argument failed_precondition bad_request badrequesterror badrequest"
    " content_filter content_policy_violation invalid_prompt unprocessable_entity",
    401: "invalid_api_key authentication_error authenticationerror unauthenticated unauthorized invalid_authentication",
    403: "permission_error permission_denied permissiondeniederror forbidden access_denied",
    404: "not_found not_found_error notfounderror model_not_found",
    413: "request_too_large payload_too_large",
    429: "rate_limit_exceeded rate_limit_error rate_limited ratelimiterror rate_limit resource_exhausted throttling"
    " throttlingexception too_many_requests " + " ".join(sorted(QUOTA_KINDS)),
    500: "server_error internal_error internal_server_error internal internalservererror api_error unknown_error",
    503: "unavailable service_unavailable service_unavailable_error overloaded overloaded_error engine_overloaded",
    504: "timeout timeout_error deadline_exceeded gateway_timeout",
}
KINDS = {kind: status for status, kinds in STATUSES.items() for kind in kinds.split()}
"""The HTTP status that an error's code or type means."""

CONTEXT = re.compile(
    r"context.?(length|size|window|limit)|context.{0,8}overflow|(overflows|exceeds?) the context"
    r"|\b(prompt|input|conversation|chat|message|content|text)s?"
    r"( (is|are|was|were|length|size|tokens?|text|string|history)){0,3}"
    r" (too (long|large|big)|(longer|larger|bigger) than)"
    r"|request( entity| payload)?( is| was)? too (large|big)"
    r"|max_tokens must be at least 1, got -|`inputs` (tokens \+|must have less than)"
    r"|prompt.{0,3}超长|超[过出].{0,20}(长度|上下文)"
    r"|\binput (token|length)|too many (input |prompt )?tokens|max(imum)?.?(sequence|input|prompt).?len"
    r"|reduce (the|your) (length|prompt|messages?|input|number of (input )?tokens|conversation)"
    # A sentence about the limit of the answer's length means a mistake in the site's options.
    r"|\A(?!.*max_\w*tokens).*(\b(number of|tokens?) .{0,40}exceeds?\b|exceed(s|ed|ing)?\b.{0,40}\btokens?\b)",
    re.DOTALL,
)
"""The messages do not fit the model's context."""

OPTION = re.compile(r"\A\W*max_\w*tokens\W+must be (less|at most)")
"""The option for the answer's length exceeds what the model allows, even if the sentence also names the context."""

THROTTLED = re.compile(
    r"rate.?limit|too many requests|throttl|slow down|wait before|requests? per|quota"
    r"|per (second|minute|min|hour|day)\b|(tokens|requests) (a|each) (second|minute|hour|day)\b|\b[tr]p[msdh]\b"
    r"|try again in \d"
)
"""There were too many calls; such a sentence may also name tokens, for example those of one minute."""

AUTH = re.compile(
    r"api.?key.{0,20}(invalid|not valid|not found|incorrect|expired|missing|required|revoked)"
    r"|(invalid|incorrect|wrong|missing|expired|no|provide|bad).{0,12}(api.?key|access token|credentials)"
    r"|unauthori[sz]ed|unauthenticated|authentication"
)
"""The site's credentials are refused, which Gemini reports with status 400."""

FLAGGED = re.compile(r"moderation|flagged|content.?(policy|filter|management)|safety")
"""The content of the request is refused, which OpenRouter reports with status 403."""

BUSY = re.compile(r"overloaded|unavailable|internal (server )?error|try again|timed? ?out|no healthy upstream|capacity")
"""The endpoint has a problem that may be temporary."""
