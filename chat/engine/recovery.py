"""What other processes do about the answers of a dead one, and what readers are told whose log has no end."""

import asyncio
import logging
from collections.abc import Collection, Sequence
from functools import partial

from ..chunks import Chunk
from ..conf import conf
from ..db.answers import Written, ended_of, interrupt_with
from ..db.processes import abandoned, carriers
from ..db.replay import parts_of, remainder
from ..db.threads import in_database
from ..models import Message
from ..streams.base import Streams
from .watch import Watch

logger = logging.getLogger(__name__)


async def find_dead() -> set[str]:
    """Watch the processes that running answers name until each has beaten or been silent for ``PROCESS_TIMEOUT``.

    For a command, which has not watched them before. Returns the silent ones. Raises ``django.db.Error``.
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
    """End the answers of the ``dead`` and of processes without a row, and close their logs.

    Each ends with the longer of checkpoint and log. Returns those answers with their conversations. Raises
    ``django.db.Error``; what was not done is done by the next call, and two processes that recover at once do no harm.
    """
    ended = []
    for answer in await in_database(abandoned, dead):
        held = await streams.take_over(answer)  # first of all: from now on its process, if it only slept, adds nothing
        message = await in_database(interrupt_with, Written(answer, parts_of(held or ())))
        if message is None:
            continue
        if held is not None:
            await streams.conclude(answer, len(held), remainder(message, held) or ())
        logger.warning("The answer %s of a process that is gone was ended as %s.", answer, message.status)
        ended.append(message)
    return ended


class Settlement:
    """Ends the replicas whose answers have ended in the database, though their logs do not say so.

    An ending in the database comes before that in the log, so one that was there at two looks is late.
    """

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._late: set[int] = set()

    async def look(self) -> None:
        """Look once. Raises ``django.db.Error``."""
        replicas = self._streams.replicas
        ended = await in_database(ended_of, replicas) if replicas else {}
        for answer, message in ended.items():
            if answer in self._late:
                self._streams.complete(answer, partial(_missing, message))
        self._late = set(ended)


def _missing(message: Message | None, held: Sequence[Chunk]) -> list[Chunk] | None:
    return None if message is None else remainder(message, held)
