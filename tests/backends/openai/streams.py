"""Streams from the documentation of the endpoints, shortened, each with the reply that it should give.

Each ``Stream`` has the bytes, the parts that they make, and the reason that ends them (``None`` if they break off).
"""

import json
from dataclasses import dataclass, field
from typing import Any

from chat.backends.base import Reasoning, Text


@dataclass(frozen=True)
class Stream:
    """One recorded reply."""

    name: str
    data: bytes
    said: list[Text | Reasoning]
    reason: str | None = "stop"
    code: str | None = None
    """The code of the failure at its end."""
    usage: int | None = None
    """The completion tokens that it reports."""
    options: dict[str, Any] = field(default_factory=dict)


def sse(*lines: str) -> bytes:
    """Encode lines of data as events."""
    return "".join(f"data: {line}\n\n" for line in lines).encode()


OPENAI = Stream(
    "openai",
    sse(
        '{"id":"chatcmpl-B9","object":"chat.completion.chunk","created":1741569952,"model":"gpt-5.4",'
        '"service_tier":"default","system_fingerprint":"fp_44","choices":[{"index":0,"delta":{"role":"assistant",'
        '"content":"","refusal":null},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"a8D"}',
        '{"id":"chatcmpl-B9","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"Olá"},'
        '"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"kJ"}',
        '{"id":"chatcmpl-B9","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":" 🙂!"},'
        '"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"x"}',
        '{"id":"chatcmpl-B9","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"logprobs":null,'
        '"finish_reason":"stop"}],"usage":null,"obfuscation":"Q"}',
        '{"id":"chatcmpl-B9","object":"chat.completion.chunk","choices":[],"usage":{"prompt_tokens":9,'
        '"completion_tokens":4,"total_tokens":13,"completion_tokens_details":{"reasoning_tokens":0}}}',
        "[DONE]",
    ),
    [Text("Olá 🙂!")],
    usage=4,
)

AZURE = Stream(
    "azure",
    sse(
        '{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,'
        '"content_filter_results":{"hate":{"filtered":false,"severity":"safe"}}}]}',
        '{"choices":[{"content_filter_results":{},"delta":{"content":"","role":"assistant"},"finish_reason":null,'
        '"index":0,"logprobs":null}],"id":"chatcmpl-Az","object":"chat.completion.chunk"}',
        '{"choices":[{"content_filter_results":{"violence":{"filtered":false,"severity":"low"}},"delta":{"content":'
        '"First, "},"finish_reason":null,"index":0}],"id":"chatcmpl-Az","object":"chat.completion.chunk"}',
        '{"choices":[{"content_filter_offsets":{"check_offset":44,"start_offset":44,"end_offset":198},'
        '"content_filter_results":{"violence":{"filtered":true,"severity":"high"}},"finish_reason":"content_filter",'
        '"index":0,"delta":{}}],"id":"","object":""}',
        "[DONE]",
    ),
    [Text("First, ")],
    "content-filter",
)

MISTRAL = Stream(
    "mistral",
    sse(
        '{"id":"cmpl-1","object":"chat.completion.chunk","model":"magistral-medium-latest","choices":[{"index":0,'
        '"delta":{"role":"assistant","content":""},"finish_reason":null}]}',
        '{"id":"cmpl-1","choices":[{"index":0,"delta":{"content":[{"type":"thinking","thinking":[{"type":"text",'
        '"text":"Hm"}]}]},"finish_reason":null}]}',
        '{"id":"cmpl-1","choices":[{"index":0,"delta":{"content":[{"type":"thinking","thinking":[{"type":"text",'
        '"text":"m."}],"closed":true},{"type":"text","text":"Hi"},{"type":"reference","reference_ids":[0,3]}]},'
        '"finish_reason":null}]}',
        '{"id":"cmpl-1","choices":[{"index":0,"delta":{"content":" there"},"finish_reason":"model_length"}],'
        '"usage":{"prompt_tokens":5,"total_tokens":12,"completion_tokens":7}}',
        "[DONE]",
    ),
    [Reasoning("Hmm."), Text("Hi there")],
    "length",
    usage=7,
)

GEMINI = Stream(
    "gemini",
    sse(
        '{"choices":[{"delta":{"content":"<thought>**Weighing**\\n\\nI look","extra_content":{"google":{"thought":true}'
        '},"role":"assistant"},"index":0}],"created":1,"id":"g1","model":"gemini-3-flash","object":'
        '"chat.completion.chunk"}',
        '{"choices":[{"delta":{"content":"</thought>Because","extra_content":{"google":{"thought_signature":"EqQB"}},'
        '"role":"assistant"},"index":0}],"created":1,"id":"g1","object":"chat.completion.chunk"}',
        '{"choices":[{"delta":{"content":" so.","role":"assistant"},"finish_reason":"stop","index":0}],"id":"g1",'
        '"usage":{"completion_tokens":3,"prompt_tokens":8,"total_tokens":40}}',
        "[DONE]",
    ),
    [Reasoning("**Weighing**\n\nI look"), Text("Because so.")],
    usage=3,
)

GEMINI_ERROR = Stream(
    "gemini-error",
    b'[{\n  "error": {\n    "code": 503,\n    "message": "The model is overloaded. Please try again later.",\n'
    b'    "status": "UNAVAILABLE"\n  }\n}\n]\n',
    [],
    None,
    "upstream",
)

OPENROUTER = Stream(
    "openrouter",
    b": OPENROUTER PROCESSING\n\n: OPENROUTER PROCESSING\n\n"
    + sse(
        '{"id":"gen-17","provider":"Azure","model":"x/y","object":"chat.completion.chunk","choices":[{"index":0,"delta":'
        '{"role":"assistant","content":"","reasoning":null,"reasoning_details":[{"type":"reasoning.encrypted","data":'
        '"gAAAA","format":"openai-responses-v1","index":0}]},"finish_reason":null,"native_finish_reason":null}]}',
        '{"id":"gen-17","choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning":"Let me see.",'
        '"reasoning_details":[{"type":"reasoning.text","text":"Let me see."}]},"finish_reason":null}]}',
        '{"id":"gen-17","choices":[{"index":0,"delta":{"role":"assistant","content":"Yes."},"finish_reason":null}]}',
        '{"id":"gen-17","choices":[{"index":0,"delta":{"content":""},"finish_reason":"stop","native_finish_reason":'
        '"completed"}]}',
        '{"id":"gen-17","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],'
        '"usage":{"prompt_tokens":10,"completion_tokens":2,"cost":0.00014,"is_byok":false,"cost_details":'
        '{"upstream_inference_cost":null}}}',
        "[DONE]",
    ),
    [Reasoning("Let me see."), Text("Yes.")],
    usage=2,
)

OPENROUTER_ERROR = Stream(
    "openrouter-error",
    b": OPENROUTER PROCESSING\n\n"
    + sse(
        '{"id":"gen-18","choices":[{"index":0,"delta":{"role":"assistant","content":"So"},"finish_reason":null}]}',
        '{"id":"gen-18","object":"chat.completion.chunk","provider":"p","error":{"code":"server_error","message":'
        '"Provider disconnected unexpectedly"},"choices":[{"index":0,"delta":{"content":" far"},"finish_reason":'
        '"error"}]}',
        "[DONE]",
    ),
    [Text("So far")],
    "error",
    "upstream",
)

GROQ = Stream(
    "groq",
    sse(
        '{"id":"chatcmpl-g","object":"chat.completion.chunk","system_fingerprint":"fp_1","choices":[{"index":0,"delta":'
        '{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"x_groq":{"id":"req_01"}}',
        '{"id":"chatcmpl-g","choices":[{"index":0,"delta":{"reasoning":"Fast.","channel":"analysis"},"logprobs":null,'
        '"finish_reason":null}]}',
        '{"id":"chatcmpl-g","choices":[{"index":0,"delta":{"content":"Quick"},"logprobs":null,"finish_reason":null}]}',
        '{"id":"chatcmpl-g","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"length"}],"x_groq":'
        '{"id":"req_01","usage":{"queue_time":0.01,"completion_tokens":1}}}',
        '{"id":"chatcmpl-g","choices":[],"usage":{"queue_time":0.01,"prompt_tokens":3,"completion_tokens":1}}',
        "[DONE]",
    ),
    [Reasoning("Fast."), Text("Quick")],
    "length",
    usage=1,
)

GROQ_ERROR = Stream(
    "groq-error",
    sse('{"choices":[{"index":0,"delta":{"content":"Quick"}}]}')
    + b'event: error\ndata: {"error":{"message":"Internal server error","type":"internal_server_error"}}\n\n',
    [Text("Quick")],
    None,
    "upstream",
)

OLLAMA = Stream(
    "ollama",
    sse(
        '{"id":"chatcmpl-506","object":"chat.completion.chunk","created":1,"model":"qwen3","system_fingerprint":'
        '"fp_ollama","choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning":"Okay, "},'
        '"finish_reason":null}]}',
        '{"id":"chatcmpl-506","choices":[{"index":0,"delta":{"role":"assistant","content":"","reasoning":"fine."},'
        '"finish_reason":null}]}',
        '{"id":"chatcmpl-506","choices":[{"index":0,"delta":{"role":"assistant","content":"Hello"},"finish_reason":'
        "null}]}",
        '{"id":"chatcmpl-506","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":"stop"}]}',
        '{"id":"chatcmpl-506","choices":[],"usage":{"prompt_tokens":11,"completion_tokens":5,"total_tokens":16}}',
        "[DONE]",
    ),
    [Reasoning("Okay, fine."), Text("Hello")],
    usage=5,
)

VLLM = Stream(
    "vllm",
    sse(
        '{"id":"chatcmpl-v","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant",'
        '"content":"","reasoning_content":null},"logprobs":null,"finish_reason":null}],"prompt_token_ids":null}',
        '{"id":"chatcmpl-v","choices":[{"index":0,"delta":{"reasoning_content":"9.8 > 9.11","reasoning":"9.8 > 9.11"},'
        '"logprobs":null,"finish_reason":null,"token_ids":null}]}',
        '{"id":"chatcmpl-v","choices":[{"index":0,"delta":{"content":"\\n\\n9.8"},"logprobs":null,"finish_reason":null,'
        '"token_ids":null}]}',
        '{"id":"chatcmpl-v","choices":[{"index":0,"delta":{"content":""},"logprobs":null,"finish_reason":"stop",'
        '"stop_reason":151645}]}',
        '{"id":"chatcmpl-v","choices":[],"usage":{"prompt_tokens":4,"total_tokens":9,"completion_tokens":5}}',
        "[DONE]",
    ),
    [Reasoning("9.8 > 9.11"), Text("\n\n9.8")],
    usage=5,
)

VLLM_ERROR = Stream(
    "vllm-error",
    sse(
        '{"object":"error","message":"This model\'s maximum context length is 4096 tokens. However, you requested 5000 '
        'tokens. Please reduce the length of the messages.","type":"BadRequestError","param":null,"code":400}',
        "[DONE]",
    ),
    [],
    None,
    "context",
)

LLAMA_CPP = Stream(
    "llama.cpp",
    sse(
        '{"choices":[{"finish_reason":null,"index":0,"delta":{"role":"assistant","content":null}}],"created":1,"id":'
        '"chatcmpl-l","model":"m","system_fingerprint":"b6500","object":"chat.completion.chunk"}',
        '{"choices":[{"finish_reason":null,"index":0,"delta":{"reasoning_content":"Hm"}}],"id":"chatcmpl-l"}',
        '{"choices":[{"finish_reason":null,"index":0,"delta":{"content":"Grüß"}}],"id":"chatcmpl-l"}',
        '{"choices":[{"finish_reason":null,"index":0,"delta":{"content":" Gott"}}],"id":"chatcmpl-l"}',
        '{"choices":[{"finish_reason":"stop","index":0,"delta":{}}],"id":"chatcmpl-l"}',
        '{"choices":[],"id":"chatcmpl-l","usage":{"completion_tokens":6,"prompt_tokens":12},"timings":{"prompt_n":12,'
        '"predicted_per_second":130.5}}',
        "[DONE]",
    ),
    [Reasoning("Hm"), Text("Grüß Gott")],
    usage=6,
)

LLAMA_CPP_ERROR = Stream(
    "llama.cpp-error",
    sse('{"choices":[{"finish_reason":null,"index":0,"delta":{"content":"Grüß"}}]}')
    + b'error: {"code":500,"message":"Context size has been exceeded.","type":"server_error"}\n\n',
    [Text("Grüß")],
    None,
    "context",
)

LM_STUDIO = Stream(
    "lm-studio",
    sse(
        '{"id":"chatcmpl-s","object":"chat.completion.chunk","created":1,"model":"r1","system_fingerprint":"r1",'
        '"choices":[{"index":0,"delta":{"role":"assistant","content":"<th"},"logprobs":null,"finish_reason":null}]}',
        '{"id":"chatcmpl-s","choices":[{"index":0,"delta":{"content":"ink>\\nA capital"},"finish_reason":null}]}',
        '{"id":"chatcmpl-s","choices":[{"index":0,"delta":{"content":" <b>?</thi"},"finish_reason":null}]}',
        '{"id":"chatcmpl-s","choices":[{"index":0,"delta":{"content":"nk>\\n\\nPa"},"finish_reason":null}]}',
        '{"id":"chatcmpl-s","choices":[{"index":0,"delta":{"content":"ris: `<think>`"},"finish_reason":null}]}',
        '{"id":"chatcmpl-s","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}',
        "[DONE]",
    ),
    [Reasoning("A capital <b>?"), Text("Paris: `<think>`")],
)

LM_STUDIO_ERROR = Stream(
    "lm-studio-error",
    b'event: error\ndata: {"error":{"message":"Trying to keep the first 5000 tokens when context the overflows. '
    b'However, the model is loaded with context length of only 4096 tokens"}}\n\n',
    [],
    None,
    "context",
)

DEEPSEEK = Stream(
    "deepseek",
    b": keep-alive\n\n"
    + sse(
        '{"id":"1f","object":"chat.completion.chunk","created":1,"model":"deepseek-reasoner","choices":[{"index":0,'
        '"delta":{"role":"assistant","content":null,"reasoning_content":""},"logprobs":null,"finish_reason":null}]}',
        '{"id":"1f","choices":[{"index":0,"delta":{"content":null,"reasoning_content":"用户"},"finish_reason":null}]}',
    )
    + b": keep-alive\n\n"
    + sse(
        '{"id":"1f","choices":[{"index":0,"delta":{"content":"你好","reasoning_content":null},"finish_reason":null}]}',
        '{"id":"1f","choices":[{"index":0,"delta":{"content":"","reasoning_content":null},"logprobs":null,'
        '"finish_reason":"insufficient_system_resource"}],"usage":{"prompt_tokens":7,"completion_tokens":16}}',
        "[DONE]",
    ),
    [Reasoning("用户"), Text("你好")],
    "error",
    usage=16,
)

DEEPSEEK_WHOLE = Stream(
    "deepseek-whole",
    b"\n\n\n\n"
    + json.dumps(
        {
            "id": "93",
            "object": "chat.completion",
            "choices": [
                {
                    "finish_reason": "stop",
                    "index": 0,
                    "message": {"content": "Hello! 🙂", "reasoning_content": "Greet.", "role": "assistant"},
                }
            ],
            "usage": {"completion_tokens": 10, "prompt_tokens": 16, "prompt_cache_hit_tokens": 0},
        },
        indent=1,
    ).encode(),
    [Reasoning("Greet."), Text("Hello! 🙂")],
    usage=10,
)

DASHSCOPE = Stream(
    "dashscope",
    b"id:1\nevent:result\n:HTTP_STATUS/200\n"
    b'data:{"choices":[{"index":0,"delta":{"content":"","role":"assistant"},"finish_reason":"null"}],"usage":null}\n\n'
    b'id:2\nevent:result\ndata:{"choices":[{"delta":{"content":"Bo"},"finish_reason":"null","index":0}]}\n\n'
    b'id:3\nevent:result\ndata:{"choices":[{"delta":{"content":"n"},"finish_reason":"stop","index":0}]}\n\n'
    b"data: [DONE]",  # without a blank line
    [Text("Bon")],
)

PERPLEXITY = Stream(
    "perplexity",
    sse(
        '{"object":"chat.completion.chunk","citations":["https://a.example"],"choices":[{"index":0,"finish_reason":null,'
        '"message":{"role":"assistant","content":"One"},"delta":{"role":"assistant","content":"One"}}]}',
        '{"object":"chat.completion.chunk","choices":[{"index":0,"finish_reason":null,"message":{"content":"One two"},'
        '"delta":{"content":" two"}}]}',
        '{"object":"chat.completion.done","choices":[{"index":0,"finish_reason":"stop","message":{"content":'
        '"One two"}}],"usage":{"completion_tokens":2,"search_context_size":"low"}}',
    ),
    [Text("One two")],
    usage=2,
)

JAVA_GATEWAY = Stream(
    "java-gateway",
    b"\xef\xbb\xbf"
    + (
        b'data: {"choices":[{"index":null,"delta":{"content":"x\\ud83d","reasoning":{}},"finish_reason":false}]}\r\n'
        b"\r\n"
        b"data: \r\n\r\n"
        b'data: {"choices":[{"index":null,"delta":{"content":"\\ude00y"},"finish_reason":false}]}\r\n\r\n'
        b'data: {"choices":[{"index":null,"delta":{"content":"z \xed\xa0\xbd"}}]}\r\n\r\n'
        b'data: {"choices":[{"index":null,"delta":{"content":"\xed\xb8\x80\\ud83d"},"finish_reason":"MAX_TOKENS"}]}\r\n'
        b"\r\n"
    ),
    [Text("x😀yz 😀\ufffd")],
    "length",
)

R1_TEMPLATE = Stream(
    "r1-template",
    sse(
        '{"choices":[{"index":0,"delta":{"content":"Okay, so"},"finish_reason":null}]}',
        '{"choices":[{"index":0,"delta":{"content":" Paris.\\n</think>\\n\\nParis"},"finish_reason":null}]}',
        '{"choices":[{"index":0,"delta":{"content":""},"finish_reason":"eos"}]}',
        "[DONE]",
    ),
    [Reasoning("Okay, so Paris.\n"), Text("Paris")],
    options={"inside": True},
)

STREAMS = [value for value in list(globals().values()) if isinstance(value, Stream)]
