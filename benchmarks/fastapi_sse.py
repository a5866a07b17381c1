"""FastAPI with the OpenAI SDK, as its users write it: server-sent events, and no storage.

``uvicorn benchmarks.fastapi_sse:app``, with ``OPENAI_BASE_URL`` and ``OPENAI_API_KEY``.
"""

import json
from collections.abc import AsyncIterator

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from openai import AsyncOpenAI
from pydantic import BaseModel

app = FastAPI()
model = AsyncOpenAI()


class Question(BaseModel):
    """The conversation so far, which the client keeps."""

    messages: list[dict[str, str]]


async def events(question: Question) -> AsyncIterator[str]:
    """Yield one event for each delta of the model."""
    stream = await model.chat.completions.create(model="bench", messages=question.messages, stream=True)  # type: ignore[call-overload]
    async for chunk in stream:
        if text := chunk.choices[0].delta.content:
            yield f"data: {json.dumps({'type': 'text-delta', 'delta': text})}\n\n"
    yield "data: [DONE]\n\n"


@app.post("/chat")
async def chat(question: Question) -> StreamingResponse:
    """Answer a question."""
    return StreamingResponse(events(question), media_type="text/event-stream")
