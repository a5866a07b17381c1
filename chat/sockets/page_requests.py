"""Requests that the bundled page adds to the protocol. Each is about one conversation and starts no answer."""

import asyncio
from contextlib import aclosing, suppress

from ..chunks import EarlierData, EarlierHtml, MessageSource, SourceData
from ..conf import conf
from ..db import feedback
from ..db.answers import Written
from ..db.branches import Stretch, earlier, select
from ..db.conversations import mark_read
from ..db.replay import parts_of
from ..db.threads import in_database
from ..engine.announcing import announce_rating
from ..engine.engine import Engine
from ..events import Event
from ..html.message_chunks import message_html
from ..html.messages import message_view
from ..models import Message
from ..owners import Owner
from .following import shown_of
from .received import Earlier, Rate, Read, Select, Source
from .requests import Request, handles


@handles(Earlier)
async def show_earlier(request: Request, asked: Earlier) -> None:
    """Send the messages before the first one that a page shows."""

    def render() -> EarlierHtml:
        stretch = earlier(request.owner, asked.id, asked.message_id)
        html = "\n".join(message_html(message_view(message), request.language) for message in stretch.messages)
        return EarlierHtml(EarlierData(html, stretch.earlier))

    chunk = await in_database(render)
    await request.start()
    await request.push([chunk])
    await request.end()


@handles(Select)
async def select_branch(request: Request, asked: Select) -> None:
    """Make a conversation show another branch, on all of its owner's pages, also when they are opened again."""
    # A task of the process, so that the other pages receive the event even if this client leaves meanwhile.
    stretch = await request.engine.tasks.complete(_select(request.engine, request.owner, asked))
    shown = await asyncio.to_thread(shown_of, stretch, request.language)
    await request.start()
    await request.show(shown)


async def _select(engine: Engine, owner: Owner, asked: Select) -> Stretch:
    async with engine.locks[owner, asked.id]:
        stretch = await in_database(select, owner, asked.id, asked.message_id)
    engine.events.publish(owner.key, Event.branch_selected(asked.id, stretch.messages[-1]))
    return stretch


@handles(Source)
async def send_source(request: Request, asked: Source) -> None:
    """Send the Markdown of a message."""
    message = await in_database(feedback.message_of, request.owner, asked.id, asked.message_id)
    text = max(message.text, await _running_text(request.engine, message), key=len)
    await request.start()
    await request.push([MessageSource(SourceData(message.uid, text))])
    await request.end()


async def _running_text(engine: Engine, message: Message) -> str:
    """Return the text in the stream of a running answer, which may be longer than its checkpoint, or ``""``."""
    if message.status != Message.Status.RUNNING or (stream := engine.stream_of(message)) is None:
        return ""
    with suppress(TimeoutError):
        async with asyncio.timeout(conf.redis_timeout), aclosing(stream.follow()) as batches:
            async for batch in batches:
                return str(Written(message.pk, parts_of(batch.chunks)).columns["text"])
    return ""


@handles(Rate)
async def rate(request: Request, asked: Rate) -> None:
    """Store the visitor's rating of an answer."""
    answer = await in_database(feedback.rate, request.owner, asked.id, asked.message_id, asked.value, asked.comment)
    announce_rating(answer, asked.value, asked.comment)
    await request.start()
    await request.end()


@handles(Read)
async def read(request: Request, asked: Read) -> None:
    """Clear a conversation's unread mark, also on the owner's other pages."""
    if await in_database(mark_read, request.owner, asked.id):
        request.engine.events.publish(request.owner.key, Event.read(asked.id))
    await request.start()
    await request.end()
