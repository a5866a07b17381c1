"""The engine of a process: its runs and what they share, from its start to its end."""

import asyncio
import contextvars
import enum
import logging
import uuid
from collections.abc import Awaitable
from weakref import WeakKeyDictionary, WeakValueDictionary

from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseError

from .. import prices
from ..assistants import Assistant
from ..assistants.discovery import backends_of, registry
from ..assistants.hooks import close_threads
from ..backends.base import Backend, BackendError
from ..backends.loading import Backends
from ..conf import conf
from ..db.answers import ask_to_stop
from ..db.processes import deregister, register
from ..db.threads import close_pool, in_database
from ..events import PROCESSES, Event, Events
from ..forking import after_fork
from ..models import Message
from ..owners import Owner
from ..sockets.limits import Sockets
from ..streams.base import Stream, StreamKey
from ..streams.loading import make_streams
from .announcing import announce_answer
from .daphne import drain_before_shutdown
from .elsewhere import Elsewhere
from .garbage import tune
from .heartbeat import Heartbeat, several_processes_without_redis
from .rights import Rights
from .run import INTERRUPTED, STOPPED, Run
from .tasks import Tasks
from .titles import Titles

logger = logging.getLogger(__name__)


class State(enum.Enum):
    """The life of an engine, in this order."""

    NEW = "new"
    """Not registered in the database yet, or the first attempt failed."""
    STARTED = "started"
    DRAINING = "draining"
    """Takes no new runs; those that run may finish for ``CHAT["GRACE_PERIOD"]``."""
    ENDING = "ending"
    """The grace period is over: every run is interrupted, including one that is just starting."""


class Locks:
    """A lock for each conversation that is in use, as ``locks[owner, uid]``.

    The lock is held while a question is stored and its run started, and by requests that look for that run.
    """

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()

    def __getitem__(self, conversation: tuple[Owner, str]) -> asyncio.Lock:
        owner, uid = conversation
        return self._locks.get((owner.key, uid)) or self._locks.setdefault((owner.key, uid), asyncio.Lock())


class Engine:
    """The runs of one process on one event loop, and what they share.

    That is the loop of its server, or the loop of a ``client``: a process that only asks, by the Python API. A client
    ends nobody's answers, recovers nothing and serves no pages.
    """

    def __init__(self, *, client: bool = False) -> None:
        self.process = uuid.uuid4().hex
        self.client = client
        self.loop = asyncio.get_running_loop()
        self.state = State.NEW
        self.streams = make_streams()
        self.events = Events(self.process)
        self.tasks = Tasks()
        self.sockets = Sockets()
        self.rights = Rights(self.tasks.spawn_for_socket)
        self.events.listen(PROCESSES, self._take)
        self.titles = Titles(self.events, self.tasks.spawn)
        self.backends = Backends()
        self.locks = Locks()
        self.runs: dict[int, Run] = {}
        """The runs by the primary keys of their answers."""
        self.next_tick: asyncio.Handle | None = None
        elsewhere = None if client or self.streams.shared else Elsewhere(self.events, self.streams)
        self.heartbeat = Heartbeat(
            self.process, self.runs, self.streams, self._publish_end, self._go_on_soon, elsewhere, client=client
        )
        self._starting: asyncio.Task[None] | None = None
        self._beating: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._going_on: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Register the process in the database, end what an earlier process left running, and begin the heartbeat.

        Only the first call does so; after a failure the next one tries again. Concurrent callers share one attempt.
        Raises ``django.db.Error``.
        """
        if self.state is not State.NEW:
            return
        if self._starting is None or self._starting.done():
            self._starting = self.loop.create_task(self._start(), context=contextvars.Context())
        await asyncio.shield(self._starting)

    async def _start(self) -> None:
        ended = await in_database(register, self.process, alone=not self.streams.shared, client=self.client)
        if ended:
            logger.warning("%d answers that an earlier process left running were ended as interrupted.", ended)
        await self.streams.start(self.process, self._stop)
        self.events.start(listens=not self.client)
        self._beating = self.loop.create_task(self.heartbeat.update_forever(), context=contextvars.Context())
        if not self.client:
            self._looking = self.loop.create_task(self.rights.look_forever(), context=contextvars.Context())
            self.tasks.spawn(self._prepare())
            self._go_on_soon()
            drain_before_shutdown(self._drain_for_daphne)
        if self.state is State.NEW:  # it may be draining already
            self.state = State.STARTED

    def backend_of(self, assistant: type[Assistant]) -> Backend:
        """Return the backend that an assistant prefers. Raises ``ImproperlyConfigured``."""
        return self.backends[backends_of(assistant)[0]]

    def max_message_length(self, assistant: str) -> int:
        """Return the length of the longest message that the site and the assistant's model accept, in characters."""
        backend = self.backend_of(registry.get(assistant) or registry.default)
        return min(conf.max_message_length, backend.max_message_length or conf.max_message_length)

    @property
    def draining(self) -> bool:
        """Tell whether the process takes no new runs, because it is shutting down."""
        return self.state in (State.DRAINING, State.ENDING)

    @property
    def problems(self) -> list[str]:
        """Describe what is wrong with the set-up of this process, in one sentence for each problem."""
        found = []
        if self.heartbeat.others and not self.streams.shared:
            found.append(several_processes_without_redis(self.heartbeat.others))
        if not self.streams.reached:
            found.append("Redis has not answered yet.")  # without its address: anybody can read /readyz
        return found

    def _take(self, event: Event) -> None:
        """Act on an event for the processes themselves."""
        if event.event != "run-moved":
            self.rights.take(event)
            return
        for run in self.runs.values():
            if run.turn.answer.uid == event.message:
                run.turn.conversation.owner, run.turn.conversation.uid = event.to, event.id

    def stop(self, answer: Message) -> None:
        """Stop an answer, whichever process runs it."""
        if answer.pk in self.runs:
            self._stop(answer.pk)
        elif answer.status == Message.Status.RUNNING and answer.process_id is not None:
            self.streams.stop(answer.process_id, answer.pk)
            self.tasks.spawn(self._ask_to_stop(answer.pk))

    def _stop(self, answer_id: int) -> None:
        if run := self.runs.get(answer_id):
            run.end(STOPPED)

    def abandon(self, answer_id: int) -> None:
        """Give up the run of an answer that is no longer in the database, if it is a run of this process."""
        if run := self.runs.get(answer_id):
            run.abandon()

    async def _ask_to_stop(self, answer_id: int) -> None:
        try:
            await in_database(ask_to_stop, answer_id)
        except DatabaseError:
            logger.exception("The stop of the answer %s could not be written.", answer_id)

    def runs_of(self, owner: Owner, uid: str) -> list[Run]:
        """Return the runs of one conversation in this process: the current one, and one whose end is being written."""
        return [run for run in self.runs.values() if run.conversation == (owner.key, uid)]

    def stream_of(self, answer: Message) -> Stream | None:
        """Return the stream of an answer that runs, here or elsewhere, or that ended here a moment ago.

        Return ``None`` if there is none. One that was given up does not count: its readers get the answer from the
        database.
        """
        key = StreamKey(answer.pk, answer.run)
        stream = self.streams.get(key)
        if stream is not None and not stream.lost:
            return stream
        elsewhere = answer.status == Message.Status.RUNNING and answer.process_id != self.process
        return self.streams.replica(key) if elsewhere else None

    async def drain(self) -> None:
        """Take no new runs, let the current ones finish, end the rest as interrupted, and release everything."""
        self.state = State.DRAINING
        if not self.client:  # a command waits for the title of its conversation: it has nothing else to do
            self.titles.close()
        if self.runs:
            logger.info("Waiting %g s at most for %d running answers.", conf.grace_period, len(self.runs))
        await self.tasks.wait(conf.grace_period)
        self.titles.close()
        self.state = State.ENDING
        for run in self.runs.values():
            run.end(INTERRUPTED)
        await self.tasks.wait(conf.grace_period)
        self.tasks.give_up()  # cancels the run of a backend that does not let go
        await self.tasks.wait(conf.grace_period)  # until that run has written how it ended
        if self._starting is not None:  # let a start that is under way finish first
            await asyncio.wait([self._starting])
        await self._stop_heartbeat()
        await self.streams.finish()
        await self.events.finish()
        await self.backends.close()
        _engines.pop(self.loop, None)
        if not engines():  # otherwise another one uses the threads, too
            close_threads()
            if not self.client:  # the thread of a client does it when its loop has ended
                await asyncio.to_thread(close_pool)

    def _drain_for_daphne(self) -> Awaitable[None]:
        """Drain, and then end the tasks that still serve sockets.

        Daphne forgets some of them, and Python 3.11 may crash on such a task.
        """
        # Set at once, because daphne has just cancelled the tasks of all sockets, and they end according to the state.
        self.state = State.DRAINING

        async def drain() -> None:
            await self.drain()
            await self.tasks.end_sockets(conf.grace_period)

        return drain()

    async def _stop_heartbeat(self) -> None:
        if self._beating is None:
            return
        for task in (tasks := [task for task in (self._beating, self._looking) if task is not None]):
            task.cancel()
        await asyncio.wait(tasks)
        await self.heartbeat.settle()
        try:
            await self.heartbeat.update()  # writes what the database could not take earlier
            await in_database(deregister, self.process)
        except DatabaseError:
            logger.exception("The process could not remove its row from the database.")

    def _publish_end(self, answer: Message) -> None:
        self.events.publish(answer.conversation.owner, Event.ended(answer))
        announce_answer(answer.pk)

    def _go_on_soon(self) -> None:
        """Start a task that lets answers go on, if none is under way. It asks the site's hooks, which may hang."""
        if self.client:
            return
        if self._going_on is None or self._going_on.done():
            self._going_on = self.tasks.spawn(self._go_on())

    async def _go_on(self) -> None:
        """Let answers go on that have lost their process after a decision."""
        from .decide import go_on_ready  # late: it starts runs on an engine

        try:
            await go_on_ready(self)
        except DatabaseError:
            logger.exception("Answers that wait to go on could not be read.")

    async def _prepare(self) -> None:
        await asyncio.to_thread(prices.prepare)
        for alias in {alias for assistant in registry.offered for alias in backends_of(assistant)}:
            try:
                await self.backends[alias].prepare()
            except (BackendError, ImproperlyConfigured) as error:  # the first question fails with it again, and says so
                logger.debug("The model could not be prepared: %s", error)
        tune()


_engines: WeakKeyDictionary[asyncio.AbstractEventLoop, Engine] = WeakKeyDictionary()


def _forget_engines() -> dict[asyncio.AbstractEventLoop, Engine]:
    found = dict(_engines)
    _engines.clear()
    return found


after_fork(_forget_engines)


def engine_of(loop: asyncio.AbstractEventLoop) -> Engine | None:
    """Return the engine of an event loop, ``None`` if it has none."""
    return _engines.get(loop)


def client_engine() -> Engine:
    """Make the engine of a process that only asks, for the running event loop. Raises ``ImproperlyConfigured``."""
    found = _engines[asyncio.get_running_loop()] = Engine(client=True)
    return found


def engines() -> list[tuple[asyncio.AbstractEventLoop, Engine]]:
    """Return the engines of this process, one for each event loop that makes answers. May be called on any thread."""
    return [(loop, found) for loop, found in list(_engines.items()) if loop.is_running()]


def engine() -> Engine:
    """Return the engine of the running event loop. Raises ``RuntimeError`` if no loop is running, as under WSGI."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "Answers need the event loop of an ASGI server, but no event loop is running here: serve the site by ASGI."
        ) from None
    if loop not in _engines:
        _engines[loop] = Engine()
    return _engines[loop]
