"""This process's runs: their common tick, their heartbeat, and their end when the process stops."""

import asyncio
import contextvars
import logging
import uuid
from collections.abc import Awaitable
from weakref import WeakKeyDictionary, WeakValueDictionary

from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseError

from ..backends.base import Backend, BackendError
from ..backends.loading import Backends
from ..conf import conf
from ..db.answers import ask_to_stop
from ..db.processes import deregister, register
from ..db.threads import close_pool, in_database
from ..db.values import Turn, Writer
from ..errors import Refusal
from ..events import Events
from ..models import Message
from ..owners import Owner
from ..sockets.limits import Sockets
from ..streams.base import Stream
from ..streams.loading import make_streams
from .daphne import drain_before_shutdown
from .heartbeat import Heartbeat, several_processes_without_redis
from .news import News
from .run import INTERRUPTED, STOPPED, Run
from .tasks import Tasks
from .titles import Titles

logger = logging.getLogger(__name__)


class Engine:
    """The runs of one process, on its server's event loop."""

    def __init__(self) -> None:
        self.process = uuid.uuid4().hex
        self.streams = make_streams()
        self.events = Events(self.process)
        self.news = News(self.events)
        self.tasks = Tasks()
        self.sockets = Sockets()
        self.titles = Titles(self.news, self.tasks.spawn)
        self.backends = Backends()
        self._loop = asyncio.get_running_loop()
        self._starting: asyncio.Task[None] | None = None
        self._started = False
        self._draining = False
        self._out_of_time = False
        self._runs: dict[int, Run] = {}
        self._orders: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        self.heartbeat = Heartbeat(self.process, self._runs, self.streams, self.news.ended)
        self._beating: asyncio.Task[None] | None = None
        self._ticking: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Write the process's row and end what an earlier process left; done once, and again after a failure.

        Who comes while that is under way waits for the same try. Raises ``django.db.Error``.
        """
        if self._started or self._draining:
            return
        if self._starting is None or self._starting.done():
            self._starting = self._loop.create_task(self._start(), context=contextvars.Context())
        await asyncio.shield(self._starting)

    async def _start(self) -> None:
        ended = await in_database(register, self.process, alone=not self.streams.shared)
        if ended:
            logger.warning("%d answers of a process that is gone were ended as interrupted.", ended)
        await self.streams.start(self.process, self._stop)
        self.events.start()
        self._beating = self._loop.create_task(self.heartbeat.beat_forever(), context=contextvars.Context())
        self.tasks.spawn(self._prepare())
        drain_before_shutdown(self._drain_for_daphne)
        self._started = True

    @property
    def backend(self) -> Backend:
        """The model that this site asks."""
        return self.backends["default"]

    @property
    def draining(self) -> bool:
        """Whether the process takes no new runs, for it is going down."""
        return self._draining

    @property
    def problems(self) -> list[str]:
        """What is wrong with the set-up of this process, a sentence each."""
        found = []
        if self.heartbeat.others and not self.streams.shared:
            found.append(several_processes_without_redis(self.heartbeat.others))
        if not self.streams.reached:
            found.append("Redis has not answered yet.")  # its address is for the log: anybody may ask
        return found

    def writer(self) -> Writer:
        """Who makes the next answer. Raises ``Refusal`` when the process is going down."""
        if self._draining:
            raise Refusal("draining")
        backend = self.backend
        budget = min(conf.max_history_length, backend.max_history_length or conf.max_history_length)
        return Writer(self.process, backend.model, budget, backend.prefills)

    def begin(self, turn: Turn) -> None:
        """Start the run of a fresh turn."""
        stream = self.streams.open(turn.answer.pk)
        run = Run(turn, self.process, self.backend, stream)
        self._runs[run.answer] = run
        if self._out_of_time:  # the grace period ended while the question was being stored
            run.end(INTERRUPTED)
        self.tasks.spawn(self._carry(run))
        self.news.started(turn.conversation, turn.answer)
        if self._ticking is None:
            self._ticking = self._loop.call_later(conf.tick, self._tick)

    def stop(self, answer: Message) -> None:
        """Stop an answer, wherever it runs."""
        if answer.pk in self._runs:
            self._stop(answer.pk)
        elif answer.status == Message.Status.RUNNING and answer.process_id is not None:
            self.streams.stop(answer.process_id, answer.pk)
            self.tasks.spawn(self._ask_to_stop(answer.pk))

    def _stop(self, answer: int) -> None:
        if run := self._runs.get(answer):
            run.end(STOPPED)

    def abandon(self, answer: int) -> None:
        """Give an answer up, if it runs here: it is no longer in the database."""
        if run := self._runs.get(answer):
            run.abandon()

    async def _ask_to_stop(self, answer: int) -> None:
        try:
            await in_database(ask_to_stop, answer)
        except DatabaseError:
            logger.exception("The stop of the answer %s could not be written.", answer)

    def runs_of(self, owner: Owner, conversation: str) -> list[Run]:
        """The runs of one conversation in this process: the one that runs, and one whose end is being written."""
        return [run for run in self._runs.values() if run.conversation == (owner.key, conversation)]

    def order(self, owner: Owner, conversation: str) -> asyncio.Lock:
        """The lock under which a question is stored and its run begun, and under which others look for that run."""
        key = (owner.key, conversation)
        return self._orders.get(key) or self._orders.setdefault(key, asyncio.Lock())

    def stream_of(self, answer: Message) -> Stream | None:
        """The log of an answer that runs, here or elsewhere, or that ended here a moment ago.

        Not one that was given up: who comes back is told from the database.
        """
        stream = self.streams.get(answer.pk)
        if stream is not None and not stream.lost:
            return stream
        elsewhere = answer.status == Message.Status.RUNNING and answer.process_id != self.process
        return self.streams.replica(answer.pk) if elsewhere else None

    async def drain(self) -> None:
        """Take no new runs, let the running ones finish, end the rest as interrupted, and give everything back."""
        self._draining = True
        self.titles.close()
        if self._runs:
            logger.info("Waiting %g s at most for %d running answers.", conf.grace_period, len(self._runs))
        await self.tasks.wait(conf.grace_period)
        self._out_of_time = True
        for run in self._runs.values():
            run.end(INTERRUPTED)
        await self.tasks.wait(conf.grace_period)
        self.tasks.give_up()  # a backend that does not let go
        await self.tasks.wait(conf.grace_period)  # for the run that can now write how it ended
        if self._starting is not None:  # a start that is under way comes to its end first
            await asyncio.wait([self._starting])
        await self._stop_heart()
        await self.streams.finish()
        await self.events.finish()
        await self.backends.close()
        _engines.pop(self._loop, None)
        await asyncio.to_thread(close_pool)

    def _drain_for_daphne(self) -> Awaitable[None]:
        """Drain, and end what still serves sockets: daphne forgets some, and Python 3.11 may crash on such a task."""
        self._draining = True  # now: daphne has just cancelled the applications of all sockets, which look at it

        async def drain() -> None:
            await self.drain()
            await self.tasks.end_sockets(conf.grace_period)

        return drain()

    async def _stop_heart(self) -> None:
        if self._beating is None:
            return
        self._beating.cancel()
        await asyncio.wait([self._beating])
        await self.heartbeat.settle()
        try:
            await self.heartbeat.beat()  # what a database that is back again has not got yet
            await in_database(deregister, self.process)
        except DatabaseError:
            logger.exception("The process could not say in the database that it ends.")

    async def _carry(self, run: Run) -> None:
        try:
            await run.make()
        finally:
            if run.unsaved is not None:
                self.heartbeat.keep(*run.unsaved)
            run.stream.close()
            run.over.set()
            del self._runs[run.answer]
            self._loop.call_later(conf.stream_retention, self.streams.discard, run.answer)
            self.news.ended(run.turn.answer)
            self.titles.answered(run.turn, run.backend)

    def _tick(self) -> None:
        """Flush every run. Under load ticks come later, so that they never take more than a third of the time."""
        began, self._ticking = self._loop.time(), None
        try:
            for run in self._runs.values():
                run.tick(began)
        finally:  # the clock goes on whatever happens in a run
            if self._runs:
                took = self._loop.time() - began
                self._ticking = self._loop.call_later(max(conf.tick - took, 2 * took), self._tick)

    async def _prepare(self) -> None:
        try:
            await self.backend.prepare()
        except (BackendError, ImproperlyConfigured) as error:  # the first question will meet it, its reader be told
            logger.debug("The model could not be prepared: %s", error)


_engines: WeakKeyDictionary[asyncio.AbstractEventLoop, Engine] = WeakKeyDictionary()


def engines() -> list[tuple[asyncio.AbstractEventLoop, Engine]]:
    """Those of this process, one for each event loop that serves the site; may be called on any thread."""
    return [(loop, found) for loop, found in list(_engines.items()) if loop.is_running()]


def engine() -> Engine:
    """The registry of the running event loop. Raises ``RuntimeError`` where there is none, as under WSGI."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "Answers are made on an ASGI server's event loop; here is none. Serve the site by ASGI."
        ) from None
    if loop not in _engines:
        _engines[loop] = Engine()
    return _engines[loop]
