"""What a reader of an answer receives: the chunks of its log as they are, or the same as HTML."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from msgspec import UNSET

from ..chunks import Chunk
from ..db.branches import Stretch, unseen
from ..db.replay import ending_of, replay
from ..html.live import HtmlReader, Rendering
from ..html.messages import message_chunk, message_end_chunk, message_view
from ..models import Message
from ..owners import Owner
from ..streams.base import Stream
from .received import After


async def text_view(
    message: Message, stream: Stream | None, after: int = -1
) -> AsyncGenerator[tuple[int, list[Chunk]], None]:
    """An answer's chunks above the number ``after``, in batches with the number of their first.

    An answer whose log is gone is told from the database, whole.
    """
    if stream is None:
        yield 0, replay(message)
        return
    async with aclosing(stream.follow(after)) as batches:
        async for batch in batches:
            yield batch


async def html_view(
    message: Message, stream: Stream | None, after: str | None, language: str | None = None
) -> AsyncGenerator[list[Chunk], None]:
    """An answer as HTML: the message as it stands, then patches, then its end. ``after`` is the message before it."""
    if stream is None:
        view = await asyncio.to_thread(message_view, message)  # renders the whole of a long answer
        ending = ending_of(message)
        whole = message_chunk(view, after=after, language=language)
        yield [whole, message_end_chunk(view, ending, language), ending.chunk]
        return
    with Rendering.of(stream) as rendering:
        async with aclosing(HtmlReader(message, after, rendering, language).chunks()) as batches:
            async for batch in batches:
                yield batch


@dataclass(frozen=True, slots=True)
class Told:
    """What a page is told of a branch: whole messages, and the one that it follows, behind the message ``after``."""

    messages: list[Chunk]
    followed: Message | None = None
    after: str | None = None


def told(stretch: Stretch, language: str | None = None, *, follow: bool = False, placed: bool = True) -> Told:
    """A branch for a page, which follows its last message if it is to ``follow``.

    Where the first message is not ``placed``, it stays where it is on the page, or comes last.
    """
    whole: list[Chunk] = []
    after = stretch.after
    for message in stretch.messages[:-1] if follow else stretch.messages:
        place = after if whole or placed or stretch.earlier else UNSET
        earlier = stretch.earlier and not whole
        whole.append(message_chunk(message_view(message), after=place, earlier=earlier, language=language))
        after = message.uid
    return Told(whole, stretch.messages[-1] if follow else None, after)


def missed(owner: Owner, uid: str, shown: After | None, language: str | None = None) -> Told | None:
    """Everything newer than what a page shows of a conversation; ``None`` when it is up to date. A database step.

    Raises ``Refusal`` where the page shows a conversation that is no longer there.
    """
    stretch = unseen(owner, uid, shown)
    if not stretch.messages:
        return None
    return told(stretch, language, follow=stretch.messages[-1].status == Message.Status.RUNNING)
