"""Follows an answer for one request: its chunks as they are (``text`` format), or as HTML (``html`` format).

The functions that follow push the chunks by a callback, which the request gives them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from msgspec import UNSET

from ..chunks import Chunk, Start
from ..db.branches import Stretch, unseen
from ..db.replay import Gained, ending_of, replay, replay_since
from ..html.calls import conversation_of
from ..html.live import HtmlReader, Rendering, Spawn
from ..html.message_chunks import message_chunk, message_end_chunk
from ..html.messages import message_view
from ..models import Message
from ..owners import Owner
from ..streams.base import Stream, Take

TakeNext = Callable[[Sequence[Chunk]], int]
"""Sends chunks at once, as far as the client need not be waited for; returns how many."""

Push = Callable[[Iterable[Chunk]], Awaitable[None]]
"""Sends chunks to the client, in order."""

PushFrom = Callable[[int, Iterable[Chunk]], Awaitable[None]]
"""Sends chunks to the client; the number is that of the first one in its stream."""


async def follow_text(
    message: Message, stream: Stream | None, after: int, push: PushFrom, take: Take | None = None
) -> None:
    """Push an answer's chunks above the number ``after``, until it has ended.

    ``take`` sends chunks without waiting, as far as the connection allows it (see ``Stream.follow``).
    If the answer has no stream any more, all of it is replayed from the database. Raises ``LostStreamError``.
    """
    if stream is None:
        await push(0, replay(message))
        return
    async with aclosing(stream.follow(after, take)) as batches:
        async for first, chunks in batches:
            await push(first, chunks)


async def follow_decided(message: Message, stream: Stream | None, call: str, push: Push) -> None:
    """Push what an answer has gained since the visitor was asked about a call, until its run has ended.

    A stream begins with what the answer had before, which the client has. Raises ``LostStreamError``.
    """
    if stream is None or message.status == Message.Status.WAITING:
        await push(replay_since(message, call))
        return
    gained, begun = Gained(message, call), False
    async with aclosing(stream.follow()) as batches:
        async for batch in batches:
            new = list(filter(gained.includes, batch.chunks))
            await push([Start(message.uid), *new] if new and not begun else new)
            begun = begun or bool(new)


async def follow_html(
    message: Message,
    stream: Stream | None,
    after: str | None,
    language: str | None,
    push: Push,
    spawn: Spawn,
    take: TakeNext | None = None,
) -> None:
    """Push an answer as HTML: the message as it is now, then patches, then its end.

    Args:
        message: the answer.
        stream: its stream; ``None`` if it has none any more, then all of it is read from the database.
        after: the ``uid`` of the message before it.
        language: the language of the page; ``None`` for the site's.
        push: sends chunks to the client.
        spawn: starts the task that renders the stream for all readers.
        take: sends chunks at once, which costs less than waking the reader's task.

    Raises:
        LostStreamError: the stream was given up.
    """
    if stream is None:
        view = await asyncio.to_thread(message_view, message)  # a long answer takes long to render
        ending = ending_of(message)
        whole = message_chunk(view, after=after, language=language)
        await push([whole, message_end_chunk(view, ending, language), ending.chunk])
        return
    with Rendering.of(stream, spawn, conversation_of(message)) as rendering:
        async with aclosing(HtmlReader(message, after, rendering, language, take).chunks()) as batches:
            async for chunks in batches:
                await push(chunks)


@dataclass(frozen=True, slots=True)
class Shown:
    """A rendered stretch of a branch: whole messages, and then the answer to follow, behind the message ``after``."""

    messages: list[Chunk]
    followed: Message | None = None
    after: str | None = None


def shown_of(stretch: Stretch, language: str | None = None, *, follow: bool = False, placed: bool = True) -> Shown:
    """Render the messages of a branch; with ``follow``, all but the last one, which is to be followed.

    If the first message is not ``placed``, it stays where it is on the page, or is added at the end.
    """
    whole: list[Chunk] = []
    after = stretch.after
    for message in stretch.messages[:-1] if follow else stretch.messages:
        place = after if whole or placed or stretch.earlier else UNSET
        earlier = stretch.earlier and not whole
        whole.append(message_chunk(message_view(message), after=place, earlier=earlier, language=language))
        after = message.uid
    return Shown(whole, stretch.messages[-1] if follow else None, after)


def missed(owner: Owner, uid: str, last: str | None, status: str = "", language: str | None = None) -> Shown | None:
    """Return what a page is missing of a conversation, ``None`` if it is up to date. This is a database step.

    ``last`` is the ``uid`` of the last message that the page shows, and ``status`` the status that it shows there.
    Raises ``Refusal`` if the page shows a conversation that no longer exists.
    """
    stretch = unseen(owner, uid, last, status)
    if not stretch.messages:
        return None
    return shown_of(stretch, language, follow=stretch.messages[-1].status == Message.Status.RUNNING)
