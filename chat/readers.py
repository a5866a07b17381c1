"""What a reader of an answer receives: the chunks of its log as they are, or the same as HTML."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from .chunks import Chunk
from .live import HtmlReader, Rendering
from .logs.base import Log
from .models import Message
from .owners import Owner
from .presentation import message_chunk, message_end_chunk, message_view
from .protocol import After, Refusal
from .store.lookups import branch_of
from .store.replay import ending_of, replay


async def text_view(
    message: Message, log: Log | None, after: int = -1
) -> AsyncGenerator[tuple[int, list[Chunk]], None]:
    """An answer's chunks above the number ``after``, in batches with the number of their first.

    An answer whose log is gone is told from the database, whole.
    """
    if log is None:
        yield 0, replay(message)
        return
    async with aclosing(log.follow(after)) as batches:
        async for batch in batches:
            yield batch


async def html_view(
    message: Message, log: Log | None, after: str | None, language: str | None = None
) -> AsyncGenerator[list[Chunk], None]:
    """An answer as HTML: the message as it stands, then patches, then its end. ``after`` is the message before it."""
    if log is None:
        view = await asyncio.to_thread(message_view, message)  # renders the whole of a long answer
        ending = ending_of(message)
        whole = message_chunk(view, after, language=language)
        yield [whole, message_end_chunk(view, ending, language), ending]
        return
    with Rendering.of(log) as rendering:
        async with aclosing(HtmlReader(message, after, rendering, language).chunks()) as batches:
            async for batch in batches:
                yield batch


@dataclass(frozen=True, slots=True)
class Missed:
    """What a page lacks: whole messages, and the answer that runs, which stands behind the message ``after``."""

    messages: list[Chunk]
    running: Message | None = None
    after: str | None = None


def missed(owner: Owner, uid: str, shown: After | None, language: str | None = None) -> Missed | None:
    """Everything newer than what a page shows of a conversation; ``None`` when it is up to date. A database step.

    Raises ``Refusal`` where the page shows a conversation that is no longer there.
    """
    messages = branch_of(owner, uid)
    if not messages and shown is not None and shown.message is not None:
        raise Refusal("gone")
    before = [None, *(message.uid for message in messages)]
    first = _first_missed(messages, shown)
    running = messages[-1] if messages and messages[-1].status == Message.Status.RUNNING else None
    ended = [i for i in range(first, len(messages)) if messages[i] is not running]
    if not ended and running is None:
        return None
    whole: list[Chunk] = [message_chunk(message_view(messages[i]), before[i], language=language) for i in ended]
    return Missed(whole, running, before[len(messages) - 1])


def _first_missed(messages: list[Message], shown: After | None) -> int:
    """The first message that a page lacks, or shows in an older state."""
    for index, message in enumerate(messages):
        if shown is not None and message.uid == shown.message:
            return index if message.status != shown.status else index + 1
    return 0
