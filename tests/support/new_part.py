"""An answer with a part of kind ``refusal``, which ``tests/test_parts.py`` adds to a copy of the app.

Run in that copy, it takes the answer from the model's bytes through every stage, and prints the result of each.
"""

import asyncio
import json

import django
from django.conf import settings
from django.core.management import call_command

settings.configure(
    SECRET_KEY="k" * 50,
    ALLOWED_HOSTS=["testserver"],
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "chat",
    ],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    ROOT_URLCONF="chat.urls",
    USE_TZ=True,
)
django.setup()

from django.test import Client  # noqa: E402
from django.utils import timezone  # noqa: E402

from chat.backends.openai.completions import Reply  # noqa: E402
from chat.chunks import Finish, FinishStep, Start, StartStep  # noqa: E402
from chat.db.answers import End, Written, finish  # noqa: E402
from chat.db.history import history  # noqa: E402
from chat.db.replay import parts_of, replay  # noqa: E402
from chat.endings import COMPLETE  # noqa: E402
from chat.engine.draft import Draft  # noqa: E402
from chat.html.live import HtmlReader, Rendering  # noqa: E402
from chat.html.message_chunks import message_html  # noqa: E402
from chat.html.messages import message_view  # noqa: E402
from chat.models import Conversation, Message, Process  # noqa: E402
from chat.owners import VISITOR  # noqa: E402
from chat.streams.memory import MemoryStream  # noqa: E402
from chat.streams.redis import entries  # noqa: E402

SAID = [{"content": "Well."}, {"refusal": "I cannot "}, {"refusal": "*help*."}, {"content": "Sorry."}]


def answer():
    """Store a question and its running answer."""
    process = Process.objects.create(
        id="p1", host="here", pid=1, started_at=timezone.now(), heartbeat_at=timezone.now()
    )
    conversation = Conversation.objects.create(owner="visitor:ann", uid="c1", updated_at=timezone.now())
    question = conversation.message_set.create(uid="m1", role="user", text="Why?")
    made = conversation.message_set.create(
        uid="a1", role="assistant", status="running", parent=question, process=process
    )
    Conversation.objects.update(tip=made, running=made)
    return made


def streamed():
    """Return what the model says as deltas, as the chunks of each tick, and as the stored parts."""
    reply, draft = Reply(), Draft()
    chunks = [Start("a1"), StartStep()]
    for said in SAID:
        event = {"choices": [{"index": 0, "delta": said}]}
        for delta in reply.read(f"data: {json.dumps(event)}\n\n".encode()):
            draft.add(delta)
        chunks += draft.take()
    return [*chunks, *draft.end(), FinishStep(), Finish("stop")], draft.parts()


async def live(message, chunks):
    """Return what a page receives when it follows the answer from the start."""
    stream = MemoryStream()
    with Rendering.of(stream, asyncio.create_task) as rendering:
        reader = HtmlReader(message, None, rendering).chunks()
        stream.append(chunks[0])
        received = await anext(reader)
        for chunk in chunks[1:]:
            stream.append(chunk)
        stream.close()
        async for batch in reader:
            received += batch
    return [json.loads(entries.encode(chunk)) for chunk in received]


def in_redis(chunks):
    """Write chunks as entries of a stream in Redis, and read them back."""
    commands = [entries.add("log", number, chunk) for number, chunk in enumerate(chunks)]
    return entries.read([(command[-3].encode(), dict([command[-2:]])) for command in commands])


def exported():
    """Return both exports of the conversation, as its visitor downloads them."""
    browser = Client()
    session = browser.session
    session[VISITOR] = "ann"
    session.save()
    browser.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
    return [browser.get(f"/c1/export.{extension}").content.decode() for extension in ("md", "json")]


def main():
    call_command("migrate", verbosity=0)
    message = answer()
    chunks, parts = streamed()
    shown = asyncio.run(live(message, chunks))
    assert finish("p1", Written(message.pk, parts), End(COMPLETE))
    message = Message.objects.get(pk=message.pk)
    found = in_redis(chunks)
    markdown, whole = exported()
    seen = {
        "chunks": [json.loads(entries.encode(chunk)) for chunk in chunks],
        "redis": found.chunks == chunks and found.closed,
        "held": parts_of(chunks) == parts,
        "replayed": [json.loads(entries.encode(chunk)) for chunk in replay(message)],
        "live": shown,
        "parts": message.parts,
        "text": message.text,
        "history": history(message.conversation, message.pk, 1_000),
        "html": message_html(message_view(message)),
        "markdown": markdown,
        "json": json.loads(whole)["messages"][1]["parts"],
    }
    print(json.dumps(seen))  # noqa: T201


main()
