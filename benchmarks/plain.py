"""The plain Channels consumer that the chat is compared with: the OpenAI SDK as its README shows it, and no storage.

``uvicorn benchmarks.plain:application`` or ``daphne benchmarks.plain:application``, with ``OPENAI_BASE_URL`` and
``OPENAI_API_KEY``. No sessions, no sign-in, no check of the origin.
"""

import json

import django
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter
from django.conf import settings
from openai import AsyncOpenAI

settings.configure(INSTALLED_APPS=["channels"], DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3"}})
django.setup()
model = AsyncOpenAI()


class PlainConsumer(AsyncWebsocketConsumer):
    """One conversation, kept in memory for as long as its socket is open."""

    async def connect(self) -> None:
        self.history: list[dict[str, str]] = []
        await self.accept()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        self.history.append({"role": "user", "content": json.loads(text_data or "")["text"]})
        stream = await model.chat.completions.create(model="bench", messages=self.history, stream=True)
        answer = ""
        async for chunk in stream:
            if text := chunk.choices[0].delta.content:
                answer += text
                await self.send(text_data=json.dumps({"type": "delta", "text": text}))
        self.history.append({"role": "assistant", "content": answer})
        await self.send(text_data=json.dumps({"type": "end"}))


application = ProtocolTypeRouter({"websocket": PlainConsumer.as_asgi()})
