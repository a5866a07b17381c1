"""Recovers the answers of dead processes, and completes the streams that were left without an ending."""

import asyncio
import logging
from collections.abc import Collection, Sequence
from functools import partial

from ..chunks import Chunk
from ..conf import conf
from ..db.answers import Written, ended_of, interrupt_with, running_of
from ..db.processes import abandoned, carriers
from ..db.replay import gained_until_now, parts_of, remainder
from ..db.threads import in_database
from ..models import Message
from ..streams.base import StreamKey, Streams
from .watch import Watch

logger = logging.getLogger(__name__)


async def find_dead() -> set[str]:
    """Return the processes of running answers that write no heartbeat for ``CHAT["PROCESS_TIMEOUT"]``.

    This takes that long, unless all of them write one earlier. It is for a command, which has not watched them before.
    Raises ``django.db.Error``.
    """
    watch = Watch()
    first = heartbeats = await in_database(carriers)
    watch.look(first)
    while {process for process, heartbeat in heartbeats.items() if heartbeat == first.get(process)} - watch.stalled():
        await asyncio.sleep(min(conf.heartbeat, conf.process_timeout / 10))
        heartbeats = await in_database(carriers)
        watch.look(heartbeats)
    return watch.stalled()


async def recover(streams: Streams, dead: Collection[str]) -> list[Message]:
    """End the running answers of the ``dead`` and of processes without a row, and close their streams.

    Each answer keeps its last checkpoint or the text of its stream, whichever is longer. Two processes may recover at
    the same time.

    Returns:
        the answers that were ended, with their conversations.

    Raises:
        django.db.Error: the rest is left to the next call.
    """
    ended = []
    for answer_id, run in await in_database(abandoned, dead):
        key = StreamKey(answer_id, run)
        held = await streams.take_over(key)  # first: its process may only be asleep, and can append no more
        message = await in_database(interrupt_with, Written(answer_id, parts_of(held or ())))
        if message is None:
            continue
        if held is not None:
            await streams.conclude(key, len(held), remainder(message, held) or ())
        logger.warning("The answer %s of a dead process was ended as %s.", answer_id, message.status)
        ended.append(message)
    return ended


class Settlement:
    """Completes the replicas whose answers have ended in the database, but not in their streams.

    The database is written before the stream, so an ending that two consecutive checks find missing is overdue. Where
    streams are not shared, a replica has no stream to wait for: it grows by the checkpoints of its answer.
    """

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._overdue: set[StreamKey] = set()

    async def look(self) -> None:
        """Check all replicas once. Raises ``django.db.Error``."""
        replicas, shared = self._streams.replicas, self._streams.shared
        ended = await in_database(ended_of, replicas) if replicas else {}
        for run, message in ended.items():
            if run in self._overdue or not shared:
                self._streams.complete(StreamKey(*run), partial(_missing, message))
        self._overdue = {StreamKey(*run) for run in ended}
        if replicas and not shared:
            for run, answer in (await in_database(running_of, replicas)).items():
                self._streams.grow(StreamKey(*run), partial(gained_until_now, answer))


def _missing(message: Message | None, held: Sequence[Chunk]) -> list[Chunk] | None:
    """Return the chunks that a replica lacks; ``None`` if its answer is gone, or goes on in a later run."""
    return None if message is None or message.status == Message.Status.RUNNING else remainder(message, held)
