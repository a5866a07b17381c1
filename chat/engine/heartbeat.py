"""The heartbeat of a process: it writes checkpoints and retries failed writes, and cleans up behind others.

That is, it recovers the answers of dead processes and removes deleted conversations for good.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping

from ..conf import conf
from ..db.answers import End, Written, finish, interrupt
from ..db.counters import remove_old
from ..db.deletion import purge
from ..db.processes import Heartbeats, prune, update_heartbeat
from ..db.threads import in_database
from ..models import Message
from ..streams.base import Streams
from .elsewhere import Elsewhere
from .measuring import count_recovered
from .recovery import Settlement, recover
from .run import STOPPED, Run
from .watch import Watch, clock

logger = logging.getLogger(__name__)

PRUNE_AFTER = 20
"""The row of a dead process is removed after this many times ``CHAT["PROCESS_TIMEOUT"]``.

It is kept this long because a process that was only asleep may begin answers, which refer to its row, before its next
heartbeat.
"""


class Heartbeat:
    """Writes a heartbeat every ``CHAT["HEARTBEAT"]`` seconds for the runs of one process.

    ``ended`` is called with each answer that was ended for a dead process, or whose end was written late; ``go_on``
    when there may be answers that go on after a decision and have lost their process. Both must return at once.
    A ``client`` only asks: it writes its own answers, and cleans up behind nobody. ``elsewhere`` looks for what other
    processes do where nothing else tells of it.
    """

    def __init__(
        self,
        process: str,
        runs: Mapping[int, Run],
        streams: Streams,
        ended: Callable[[Message], None],
        go_on: Callable[[], None],
        elsewhere: Elsewhere | None = None,
        *,
        client: bool = False,
    ) -> None:
        self.others = 0
        """How many other processes that serve the site were alive at the last heartbeat."""
        self._client = client
        self._clients: set[str] = set()
        self._elsewhere = elsewhere
        self._process = process
        self._runs = runs
        self._streams = streams
        self._ended = ended
        self._go_on = go_on
        self._settlement = Settlement(streams)
        self._unsaved: dict[int, tuple[Written, End]] = {}
        self._orphans: set[int] = set()
        self._watch = Watch()
        self._next_search = 0.0
        self._writing: asyncio.Future[Heartbeats] | None = None

    def keep(self, written: Written, end: End) -> None:
        """Keep an answer's end that the database did not take, and write it with a later heartbeat."""
        self._unsaved[written.answer_id] = (written, end)

    async def update_forever(self) -> None:
        """Write heartbeats until cancelled, also while the database is unavailable."""
        while True:
            await asyncio.sleep(conf.heartbeat)
            try:
                await self.update()
                if not self._client:
                    await self._search()
            except Exception:  # whatever it is: without heartbeats, other processes take the answers over
                logger.exception("The heartbeat could not be written.")
                self._watch.restart()

    async def update(self) -> None:
        """Write one heartbeat, and act on what it found. Raises ``django.db.Error``."""
        # Copied, because runs that start during the query are not in its result.
        runs = list(self._runs.values())
        drafts = [(run, run.draft.version) for run in runs if run.unwritten]
        found = await self._write([run.written() for run, _ in drafts])
        for run, version in drafts:
            run.checkpointed = version
        self._observe(found)
        for run in runs:
            if run.answer_id not in found.running:
                run.abandon()
            elif run.answer_id in found.stopping:
                run.end(STOPPED)
        await self._save()
        await self._end_orphans(found.running)
        await self._settlement.look()
        if self._elsewhere is not None:
            await self._elsewhere.look()
        if found.expired and not self._client:
            await in_database(purge)

    async def _write(self, checkpoints: list[Written]) -> Heartbeats:
        """Write the heartbeat. It continues on its thread if the caller is cancelled; ``settle`` waits for it then."""
        beat = in_database(update_heartbeat, self._process, checkpoints, client=self._client)
        self._writing = asyncio.ensure_future(beat)
        return await asyncio.shield(self._writing)

    async def settle(self) -> None:
        """Wait for a heartbeat that is still being written: it would restore a row that is removed meanwhile."""
        if self._writing is not None:
            await asyncio.wait([self._writing])

    def _observe(self, found: Heartbeats) -> None:
        if not found.known:
            logger.error("The row of this process was removed: does another process run on this database?")
        self._watch.look(found.others)
        self._clients = found.clients
        others = len(found.others.keys() - found.clients - self._watch.stalled())
        if others and not self.others and not self._streams.shared and not self._client:
            logger.error("%s", several_processes_without_redis(others))
        self.others = others

    async def _search(self) -> None:
        """Recover the answers of dead processes at once, and look now and then for what else nobody carries on.

        Those are answers whose process has no row, and answers whose last open question has expired.
        """
        dead, now = self._watch.stalled(), clock()
        if not self._streams.shared:
            dead &= self._clients
        is_due = now >= self._next_search
        if not dead and not is_due:
            return
        self._next_search = now + conf.process_timeout
        await in_database(remove_old)
        ended = await self._recover(dead)
        if ended or is_due:
            self._go_on()

    async def _recover(self, dead: set[str]) -> list[Message]:
        ended = await recover(self._streams, dead)
        for message in ended:
            count_recovered(message)
            self._ended(message)
        if long_dead := self._watch.stalled(PRUNE_AFTER):
            await in_database(prune, long_dead)
        return ended

    async def _save(self) -> None:
        for answer_id, (written, end) in list(self._unsaved.items()):
            await in_database(finish, self._process, written, end)
            del self._unsaved[answer_id]
            if message := await in_database(_found, answer_id):
                self._ended(message)

    async def _end_orphans(self, running: set[int]) -> None:
        """End answers that name this process but have no run, orphaned after a lost commit acknowledgement.

        Wait for two heartbeats, because a new answer gets its run shortly after it is stored.
        """
        orphans = running - self._runs.keys() - self._unsaved.keys()
        if orphaned := orphans & self._orphans:
            ended = await in_database(interrupt, orphaned)
            logger.warning("%d answers without a run were ended as interrupted.", ended)
            self._go_on()
        self._orphans = orphans


def several_processes_without_redis(others: int) -> str:
    """Say what is wrong if this many other processes run on the same database without shared streams."""
    return (
        f"{others} more processes run on this database, and they cannot see each other's answers: "
        'set CHAT["REDIS_URL"], or start one process only.'
    )


def _found(answer_id: int) -> Message | None:
    return Message.objects.select_related("conversation").filter(pk=answer_id).first()
