"""Maps the finish reasons of many endpoints, in all their spellings, to the few of ``chunks``. No I/O.

Sources: the finish reasons of OpenAI, Azure, Anthropic (``stop_reason``), Gemini (``FinishReason``), Mistral, DeepSeek,
Zhipu, vLLM, SGLang, TGI and llama.cpp, as their documentation lists them.
"""

import re

from ...chunks import FinishReason

_SPELLINGS: dict[FinishReason, str] = {
    "stop": """stop stopped stop_sequence stop_sequences stop_token stop_str stop_word end end_turn end_of_turn
        end_of_text endoftext end_token eos eos_token eos_token_id eos_found complete completed completion done finish
        finished success""",
    "length": """length limit max_length max_tokens max_tokens_reached max_new_tokens max_output_tokens
        max_completion_tokens token_limit length_limit model_length context_length context_limit context_window_exceeded
        model_context_window_exceeded""",
    "content-filter": """content_filter content_filtered contentfilter filter filtered safety image_safety blocked
        blocklist prohibited_content spii sensitive refusal moderation flagged guardrail guardrails guardrail_intervened
        content_policy""",
    "tool-calls": "tool_calls tool_call tool_use tools function_call function_calls",
    "error": """error errored failed failure fail internal_error server_error network_error insufficient_system_resource
        malformed_function_call malformed_response unexpected_tool_call too_many_tool_calls recitation language abort
        aborted cancel cancelled canceled timeout overloaded""",
}

_REASONS: dict[str, FinishReason] = {
    spelling: reason for reason, spellings in _SPELLINGS.items() for spelling in spellings.split()
}

_NONE = {"", "null", "none", "finish_reason_unspecified", "unspecified"}


def reason_of(word: str) -> FinishReason | None:
    """Return the reason that an endpoint's word means.

    Return ``"other"`` for an unknown word, which does not tell whether the reply is complete, and ``None`` for a word
    that means that there is no reason, such as DashScope's "null".
    """
    known = _REASONS.get(word)  # the usual spelling
    if known is not None:
        return known
    plain = re.sub(r"[\s.-]+", "_", word.strip().rpartition(".")[2]).lower()
    if plain in _NONE:
        return None
    return _REASONS.get(plain.removeprefix("finish_reason_"), "other")
