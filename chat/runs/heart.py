"""The heartbeat of a process: checkpoints of its answers, and a second chance for whatever could not be written."""

import asyncio
import logging
from collections.abc import Mapping

from django.db import Error as DatabaseError

from ..conf import conf
from ..database import in_database
from ..store.answers import End, Written, finish
from .process import beat, interrupt
from .run import Run

logger = logging.getLogger(__name__)


class Heart:
    """Beats every ``CHAT["HEARTBEAT"]`` seconds for the runs of one process."""

    def __init__(self, process: str, runs: Mapping[int, Run]) -> None:
        self._process = process
        self._runs = runs
        self._unsaved: dict[int, tuple[Written, End]] = {}
        self._orphans: set[int] = set()

    def keep(self, written: Written, end: End) -> None:
        """Write an answer's end with a later beat, for the database did not take it."""
        self._unsaved[written.answer] = (written, end)

    async def beat_forever(self) -> None:
        """Beat until cancelled. A database that is away is no reason to stop."""
        while True:
            await asyncio.sleep(conf.heartbeat)
            try:
                await self.beat()
            except DatabaseError:
                logger.exception("The heartbeat could not be written.")

    async def beat(self) -> None:
        """One heartbeat. Raises ``django.db.Error``."""
        runs = list(self._runs.values())  # one that begins while the database is asked is none of its answer's
        drafts = [(run, run.draft.version) for run in runs if run.unwritten]
        found = await in_database(beat, self._process, [run.written() for run, _ in drafts])
        for run, version in drafts:
            run.checkpointed = version
        if not found.known:
            logger.error("The row of this process was removed: does another process run on this database?")
        for run in runs:
            if run.answer not in found.running:
                run.disown()
        await self._save()
        await self._end_orphans(found.running)

    async def _save(self) -> None:
        for answer, (written, end) in list(self._unsaved.items()):
            await in_database(finish, self._process, written, end)
            del self._unsaved[answer]

    async def _end_orphans(self, running: set[int]) -> None:
        """End answers that run as ours but that nobody makes: a commit was lost on its way back.

        One that was there at two beats, for an answer that has just been stored has its run a moment later.
        """
        orphans = running - self._runs.keys() - self._unsaved.keys()
        if doomed := orphans & self._orphans:
            ended = await in_database(interrupt, self._process, doomed)
            logger.warning("%d answers that nobody made were ended as interrupted.", ended)
        self._orphans = orphans
