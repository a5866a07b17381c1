"""Follows an answer for one request: its chunks as they are (``text`` format), or as HTML (``html`` format).

Every function pushes what it finds to a ``Push`` of the request that follows.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass

from msgspec import UNSET

from ..chunks import Chunk
from ..db.branches import Stretch, unseen
from ..db.replay import ending_of, replay
from ..html.live import HtmlReader, Rendering, Spawn
from ..html.messages import message_chunk, message_end_chunk, message_view
from ..models import Message
from ..owners import Owner
from ..streams.base import Stream

Push = Callable[[Iterable[Chunk]], Awaitable[None]]
"""Sends chunks to the client, in order."""

PushFrom = Callable[[int, Iterable[Chunk]], Awaitable[None]]
"""Sends chunks to the client, of which the first has the given number in its stream."""


async def follow_text(message: Message, stream: Stream | None, after: int, push: PushFrom) -> None:
    """Push an answer's chunks above the number ``after``, until it has ended.

    An answer whose stream is gone is read from the database, whole. Raises ``LostStreamError``.
    """
    if stream is None:
        await push(0, replay(message))
        return
    async with aclosing(stream.follow(after)) as batches:
        async for first, chunks in batches:
            await push(first, chunks)


async def follow_html(
    message: Message, stream: Stream | None, after: str | None, language: str | None, push: Push, spawn: Spawn
) -> None:
    """Push an answer as HTML: the message as it is now, then patches, then its end.

    ``after`` is the id of the message before it; ``spawn`` starts the task that renders for all readers. Raises
    ``LostStreamError``.
    """
    if stream is None:
        view = await asyncio.to_thread(message_view, message)  # renders the whole of a long answer
        ending = ending_of(message)
        whole = message_chunk(view, after=after, language=language)
        await push([whole, message_end_chunk(view, ending, language), ending.chunk])
        return
    with Rendering.of(stream, spawn) as rendering:
        async with aclosing(HtmlReader(message, after, rendering, language).chunks()) as batches:
            async for chunks in batches:
                await push(chunks)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page receives of a branch: whole messages, and the answer to follow, placed behind ``after``."""

    messages: list[Chunk]
    followed: Message | None = None
    after: str | None = None


def shown_of(stretch: Stretch, language: str | None = None, *, follow: bool = False, placed: bool = True) -> Shown:
    """Render a branch for a page, all of it, or with ``follow`` all but its last message, which is to be followed.

    Where the first message is not ``placed``, it stays where it is on the page, or comes last.
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
    """Return everything newer than what a page shows of a conversation; ``None`` when it is up to date.

    A database step. ``last`` is the id of the page's last message, and ``status`` the status that it shows there.
    Raises ``Refusal`` where the page shows a conversation that is no longer there.
    """
    stretch = unseen(owner, uid, last, status)
    if not stretch.messages:
        return None
    return shown_of(stretch, language, follow=stretch.messages[-1].status == Message.Status.RUNNING)
