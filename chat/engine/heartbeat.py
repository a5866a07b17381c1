"""The heartbeat of a process: checkpoints of its answers, and a second chance for whatever could not be written."""

import asyncio
import logging
from collections.abc import Callable, Mapping

from ..conf import conf
from ..db.answers import End, Written, finish, interrupt
from ..db.processes import Heartbeats, prune, update_heartbeat
from ..db.threads import in_database
from ..models import Message
from ..streams.base import Streams
from .recovery import Settlement, recover
from .run import STOPPED, Run
from .watch import Watch

logger = logging.getLogger(__name__)

PRUNE_AFTER = 20
"""The row of a dead process is removed after this many times ``CHAT["PROCESS_TIMEOUT"]``.

Not earlier: a process that only slept begins answers before its first heartbeat, and they name its row.
"""


class Heartbeat:
    """Beats every ``CHAT["HEARTBEAT"]`` seconds for the runs of one process.

    ``ended`` is called with each answer that was ended for a process that is gone, or whose end was written late.
    """

    def __init__(
        self, process: str, runs: Mapping[int, Run], streams: Streams, ended: Callable[[Message], None]
    ) -> None:
        self.others = 0
        """How many other processes were alive at the last beat."""
        self._process = process
        self._runs = runs
        self._streams = streams
        self._ended = ended
        self._settlement = Settlement(streams)
        self._unsaved: dict[int, tuple[Written, End]] = {}
        self._orphans: set[int] = set()
        self._watch = Watch()
        self._writing: asyncio.Future[Heartbeats] | None = None

    def keep(self, written: Written, end: End) -> None:
        """Write an answer's end with a later beat, for the database did not take it."""
        self._unsaved[written.answer] = (written, end)

    async def update_forever(self) -> None:
        """Beat until cancelled. A database that is away is no reason to stop."""
        while True:
            await asyncio.sleep(conf.heartbeat)
            try:
                await self.update()
                if self._streams.shared:
                    await self._recover()
            except Exception:  # whatever it is: a process that no longer beats loses its answers
                logger.exception("The heartbeat could not be written.")
                self._watch.restart()

    async def update(self) -> None:
        """One heartbeat. Raises ``django.db.Error``."""
        runs = list(self._runs.values())  # one that begins while the database is asked is none of its answer's
        drafts = [(run, run.draft.version) for run in runs if run.unwritten]
        found = await self._write([run.written() for run, _ in drafts])
        for run, version in drafts:
            run.checkpointed = version
        self._look_around(found)
        for run in runs:
            if run.answer not in found.running:
                run.abandon()
            elif run.answer in found.stopping:
                run.end(STOPPED)
        await self._save()
        await self._end_orphans(found.running)
        await self._settlement.look()

    async def _write(self, checkpoints: list[Written]) -> Heartbeats:
        """Write the heartbeat, which ``settle`` can wait for: a caller that is cancelled leaves it on its thread."""
        self._writing = asyncio.ensure_future(in_database(update_heartbeat, self._process, checkpoints))
        return await asyncio.shield(self._writing)

    async def settle(self) -> None:
        """Wait for a heartbeat that is still being written: later it would bring the row of an ended process back."""
        if self._writing is not None:
            await asyncio.wait([self._writing])

    def _look_around(self, found: Heartbeats) -> None:
        if not found.known:
            logger.error("The row of this process was removed: does another process run on this database?")
        self._watch.look(found.others)
        if self._watch.alive and not self.others and not self._streams.shared:
            logger.error("%s", several_processes_without_redis(self._watch.alive))
        self.others = self._watch.alive

    async def _recover(self) -> None:
        for message in await recover(self._streams, self._watch.stalled()):
            self._ended(message)
        if buried := self._watch.stalled(PRUNE_AFTER):
            await in_database(prune, buried)

    async def _save(self) -> None:
        for answer, (written, end) in list(self._unsaved.items()):
            await in_database(finish, self._process, written, end)
            del self._unsaved[answer]
            if message := await in_database(_found, answer):
                self._ended(message)

    async def _end_orphans(self, running: set[int]) -> None:
        """End answers that run as ours but that nobody makes: a commit was lost on its way back.

        One that was there at two beats, for an answer that has just been stored has its run a moment later.
        """
        orphans = running - self._runs.keys() - self._unsaved.keys()
        if orphaned := orphans & self._orphans:
            ended = await in_database(interrupt, orphaned)
            logger.warning("%d answers that nobody made were ended as interrupted.", ended)
        self._orphans = orphans


def several_processes_without_redis(others: int) -> str:
    """What is wrong where processes run side by side without logs that they share."""
    return (
        f"{others} more processes run on this database, and they cannot see each other's answers: "
        'set CHAT["REDIS_URL"], or start one process only.'
    )


def _found(answer: int) -> Message | None:
    return Message.objects.select_related("conversation").filter(pk=answer).first()
