"""This process's runs: their common tick, their heartbeat, and their end when the process stops."""

import asyncio
import contextvars
import logging
import uuid
from collections.abc import Coroutine
from typing import Any
from weakref import WeakKeyDictionary

from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseError

from ..backends.base import Backend, BackendError
from ..backends.plugged import Backends
from ..conf import conf
from ..database import close_pool, in_database
from ..logs.base import Log, Logs
from ..logs.memory import MemoryLogs
from ..owners import Owner
from ..protocol import Refusal
from ..store.answers import beat
from ..store.turns import Turn, Writer
from .recovery import enrol, withdraw
from .run import INTERRUPTED, STOPPED, Run

logger = logging.getLogger(__name__)


class Registry:
    """The runs of one process, on its server's event loop."""

    def __init__(self) -> None:
        self.process = uuid.uuid4().hex
        self.logs: Logs = MemoryLogs()
        self.backends = Backends()
        self._loop = asyncio.get_running_loop()
        self._starting = asyncio.Lock()
        self._started = False
        self._draining = False
        self._runs: dict[int, Run] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._heart: asyncio.Task[None] | None = None
        self._ticking: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Write the process's row and end what an earlier process left; done once, and again after a failure."""
        async with self._starting:
            if not self._started:
                ended = await in_database(enrol, self.process)
                if ended:
                    logger.warning("%d answers of a process that is gone were ended as interrupted.", ended)
                self._heart = self._loop.create_task(self._beat(), context=contextvars.Context())
                self.spawn(self._prepare())
                self._started = True

    @property
    def backend(self) -> Backend:
        """The model that this site asks."""
        return self.backends["default"]

    def writer(self) -> Writer:
        """Who makes the next answer. Raises ``Refusal`` when the process is going down."""
        if self._draining:
            raise Refusal("draining")
        backend = self.backend
        budget = min(conf.max_history_length, backend.max_history_length or conf.max_history_length)
        return Writer(self.process, backend.model, budget)

    def begin(self, turn: Turn) -> Log:
        """Start the run of a fresh turn and return its log."""
        log = self.logs.open(turn.answer.pk)
        run = Run(turn, self.process, self.backend, log)
        self._runs[run.answer] = run
        self.spawn(self._carry(run))
        if self._ticking is None:
            self._ticking = self._loop.call_later(conf.tick, self._tick)
        return log

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """A task of the process's, in a context of its own: a request's would keep its thread and connection."""
        task = self._loop.create_task(work, context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def stop(self, answer: int) -> bool:
        """Stop an answer; ``False`` where it does not run here."""
        run = self._runs.get(answer)
        if run is not None:
            run.end(STOPPED)
        return run is not None

    async def settled(self, owner: Owner, conversation: str) -> bool:
        """Wait for an answer of the conversation that is just ending here; ``False`` where there is none.

        Who stops an answer and asks again at once must not be told that it still runs.
        """
        ending = [run for run in self._runs.values() if run.ending and run.conversation == (owner.key, conversation)]
        for run in ending:
            await run.over.wait()
        return bool(ending)

    def log_of(self, answer: int) -> Log | None:
        """The log of an answer that runs here, or ended a moment ago."""
        return self.logs.get(answer)

    async def drain(self) -> None:
        """Take no new runs, let the running ones finish, end the rest as interrupted, and give everything back."""
        self._draining = True
        if self._runs:
            logger.info("Waiting %g s at most for %d running answers.", conf.grace_period, len(self._runs))
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=conf.grace_period)
        for run in self._runs.values():
            run.end(INTERRUPTED)
        if self._tasks:
            _, hanging = await asyncio.wait(self._tasks, timeout=conf.grace_period)
            for task in hanging:  # a backend that does not let go
                logger.error("A task was given up: %r", task)
                task.cancel()
        if self._heart is not None:
            self._heart.cancel()
            await asyncio.wait([self._heart])
            await in_database(withdraw, self.process)
        await self.backends.close()
        _registries.pop(self._loop, None)
        await asyncio.to_thread(close_pool)

    async def _carry(self, run: Run) -> None:
        try:
            await run.make()
        finally:
            run.log.close()
            run.over.set()
            del self._runs[run.answer]
            self._loop.call_later(conf.log_retention, self.logs.discard, run.answer)

    def _tick(self) -> None:
        """Flush every run. Under load ticks come later, so that they never take more than a third of the time."""
        began = self._loop.time()
        for run in self._runs.values():
            run.tick(began)
        took = self._loop.time() - began
        self._ticking = self._loop.call_later(max(conf.tick - took, 2 * took), self._tick) if self._runs else None

    async def _prepare(self) -> None:
        try:
            await self.backend.prepare()
        except (BackendError, ImproperlyConfigured) as error:  # the first question will meet it, its reader be told
            logger.debug("The model could not be prepared: %s", error)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(conf.heartbeat)
            try:
                lost = await in_database(beat, self.process, [run.written() for run in self._runs.values()])
            except DatabaseError:
                logger.exception("The heartbeat could not be written.")
                continue
            for answer in lost:
                if answer in self._runs:
                    self._runs[answer].disown()


_registries: WeakKeyDictionary[asyncio.AbstractEventLoop, Registry] = WeakKeyDictionary()


def registry() -> Registry:
    """The registry of the running event loop. Raises ``RuntimeError`` where there is none, as under WSGI."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "Answers are made on an ASGI server's event loop; here is none. Serve the site by ASGI."
        ) from None
    if loop not in _registries:
        _registries[loop] = Registry()
    return _registries[loop]
