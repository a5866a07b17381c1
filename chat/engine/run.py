"""One answer, from the first call of the model to its ending in the database and in the stream."""

import asyncio
import logging
from contextlib import aclosing
from typing import Any

from django.db import Error as DatabaseError

from ..assistants import Assistant
from ..assistants.hooks import instructions_of
from ..backends.base import Alive, Backend, BackendError, Content, Finished, Loaded, Loading, Reasoning, Request, Text
from ..chunks import LOADING, SAVING, WAITING, Chunk, FinishStep, Start, StartStep
from ..conf import conf
from ..db.answers import End, Written, finish
from ..db.threads import in_database
from ..db.values import Turn
from ..endings import CUT, INTERRUPTED, NOT_SAVED, STOPPED, Ending, by_reason, failed
from ..streams.base import Stream
from .draft import Draft

__all__ = ["INTERRUPTED", "STOPPED", "Run"]

logger = logging.getLogger(__name__)

LONGEST_PAUSE = 5.0
"""The longest wait between two attempts to write an answer's end, in seconds."""

_CONTENT = (Text, Reasoning, Content)
"""Every delta of a part. The first two are named because ``isinstance`` is three times as fast with the exact class."""


class Run:
    """One answer being generated. A run is independent of all sockets; only ``end`` stops it early."""

    def __init__(self, turn: Turn, process: str, assistant: Assistant, backend: Backend, stream: Stream) -> None:
        self.answer_id = turn.answer.pk
        self.conversation = (turn.conversation.owner, turn.conversation.uid)
        self.stream = stream
        self.over = asyncio.Event()
        self.checkpointed = 0
        """The version of the draft that the database has."""
        self.unsaved: tuple[Written, End] | None = None
        """The answer's end, until the database has it; the heartbeat writes what is still here when the run is over."""
        self.draft = Draft(turn.begun)
        self.turn = turn
        self._process = process
        self._assistant = assistant
        self.backend = backend
        self._loop = asyncio.get_running_loop()
        self._ending: Ending | None = None
        self._usage: dict[str, Any] | None = None
        self._hint = ""
        self._reading: asyncio.Task[Any] | None = None
        self._next_tick: asyncio.Future[None] | None = None
        """What the backend waits for before it reads more, if it does."""
        self._delta_timeout = conf.first_token_timeout
        """How long the next delta may take, in seconds."""
        self._limit = self.draft.length + conf.max_answer_length
        self._deadline = self._final_deadline = float("inf")
        """Those of the next delta and of the whole answer, in the loop's time."""
        self._overdue = False
        """Whether the last tick came after the deadline of the next delta."""
        self._owned = True
        # Not in make(): a tick may come before the task's first step, and a continued answer already has text then.
        stream.append(Start(turn.answer.uid))
        stream.append(StartStep())

    def end(self, ending: Ending) -> None:
        """Stop reading the model and end the answer with ``ending``, unless it already has one."""
        if self._ending is None:
            self._ending = ending
            if self._reading is not None:
                self._reading.cancel()

    @property
    def is_ending(self) -> bool:
        """Tell whether the answer has an ending, which may not have been written yet."""
        return self._ending is not None

    def abandon(self) -> None:
        """Stop and write nothing more, because the answer was deleted or taken over by another process."""
        if self._ending is None:
            logger.warning("The answer %s was taken over by another process, or deleted.", self.answer_id)
            self._owned = False
            self.end(INTERRUPTED)

    def tick(self, now: float) -> None:
        """Flush the collected deltas and check the deadlines; ``now`` is the event loop's time, in seconds."""
        self._flush()
        resting = self._next_tick is not None and not self._next_tick.done()
        if self._next_tick is not None and resting:
            self._next_tick.set_result(None)
        overdue, self._overdue = self._overdue, now > self._deadline
        if now > self._final_deadline:
            self.end(CUT if self.draft.length else failed("timeout"))
        elif self._overdue and (overdue or not resting):  # a run that waited for this tick may have deltas to read
            self.end(failed("timeout"))

    async def make(self) -> None:
        """Generate the answer and write its ending. Only a bug in the run itself makes it raise."""
        ending = await self._read()
        if ending.error:
            logger.warning("The answer %s ended as: %s%s.", self.answer_id, ending.error, self._hint)
        self._append(self.draft.end())
        shown = await self._write(ending) if self._owned else None
        if shown is None:
            self.stream.give_up()
            return
        if shown.finish_reason:
            self.stream.append(FinishStep())
        self.stream.append(shown.chunk)
        self.stream.close()

    async def _read(self) -> Ending:
        """Read the model until its reply ends or ``end`` is called, and return how the answer ended."""
        if self._ending is not None:
            return self._ending
        self._reading = asyncio.current_task()
        try:
            ending = await self._with_retries()
        except asyncio.CancelledError:
            if self._ending is None:  # cancelled from outside: the process shuts down without draining
                self._ending = INTERRUPTED
            asyncio.current_task().uncancel()  # type: ignore[union-attr]
            return self._ending
        except BackendError as error:
            logger.debug("The model failed: %s: %s", error.code, error)
            self._hint = error.hint and f" ({error.hint})"
            ending = failed(error.code)
        except Exception:
            logger.exception("The answer %s failed.", self.answer_id)
            ending = failed("internal")
        finally:
            self._reading = None
        self._ending = self._ending or ending
        return self._ending

    async def _with_retries(self) -> Ending:
        """Call the model, and again after a temporary failure, but not after its first delta: each call is paid for."""
        self._final_deadline = self._loop.time() + conf.max_duration
        self._deadline = self._loop.time() + conf.first_token_timeout
        instructions = await instructions_of(self._assistant)
        system = [{"role": "system", "content": instructions}] if instructions else []
        request = Request([*system, *self.turn.history], pace=self._pace)
        for attempt in range(conf.retries + 1):
            try:
                return await self._stream(request)
            except BackendError as error:
                wait = error.retry_after if error.retry_after is not None else conf.retry_wait * 2**attempt
                final = attempt == conf.retries or self.draft.version > 0 or wait > conf.retry_after_max
                if final or not error.retry:
                    raise
                logger.info("Calling the model again in %.1f s after a failure: %s.", wait, error.code)
                logger.debug("The model failed: %s: %s", error.code, error)
            self._deadline = float("inf")
            await asyncio.sleep(wait)
        raise AssertionError("unreachable")

    async def _stream(self, request: Request) -> Ending:
        self._delta_timeout = conf.first_token_timeout
        self._deadline = self._loop.time() + self._delta_timeout
        async with aclosing(self.backend.stream(request)) as deltas:
            async for delta in deltas:
                if isinstance(delta, _CONTENT):
                    if not self._take(delta):
                        return CUT
                elif isinstance(delta, Finished):
                    return self._finish(delta)
                elif isinstance(delta, Alive):
                    self._restart_deadline()
                else:
                    self._load(delta)
        return INTERRUPTED

    async def _pace(self) -> None:
        """Flush the collected deltas, and wait for the next tick."""
        self._flush()
        self._next_tick = self._loop.create_future()
        await self._next_tick

    def _finish(self, finished: Finished) -> Ending:
        """Keep the usage, and return the ending that stands for the model's finish reason."""
        self._usage = finished.usage
        ending = by_reason(finished.reason)
        if ending.error:
            self._hint = f" (the model's reason: {finished.reason})"
        return ending

    def _restart_deadline(self) -> None:
        """Restart the wait for the first delta, because the model's endpoint has shown that it is alive."""
        if self.draft.version == 0:
            self._deadline = max(self._deadline, self._loop.time() + self._delta_timeout)

    def _take(self, delta: Content) -> bool:
        """Add a delta; return ``False`` if the answer has reached its longest, where it is cut."""
        draft = self.draft
        if draft.length + len(delta.text) > self._limit:
            draft.add(type(delta)(delta.text[: self._limit - draft.length]))
            return False
        draft.add(delta)
        if draft.version == 1:  # the first is sent at once, the others with the next tick
            self._delta_timeout = conf.delta_timeout
            self._flush()
        self._deadline = self._loop.time() + self._delta_timeout
        return True

    def _load(self, delta: Loading | Loaded) -> None:
        loading = isinstance(delta, Loading)
        self.stream.append(LOADING if loading else WAITING)
        wait = conf.loading_timeout if loading else self._delta_timeout
        self._deadline = self._loop.time() + wait
        self._final_deadline = self._deadline + conf.max_duration

    def _flush(self) -> None:
        self._append(self.draft.take())

    def _append(self, ready: list[Chunk]) -> None:
        for chunk in ready:
            self.stream.append(chunk)

    @property
    def unwritten(self) -> bool:
        """Tell whether the answer has grown since its last checkpoint."""
        return self.draft.version != self.checkpointed

    def written(self) -> Written:
        """Return the answer so far, for the database."""
        return Written(self.answer_id, self.draft.parts())

    async def _write(self, ending: Ending) -> Ending | None:
        """Write the answer's end, and return the ending to show to its readers.

        That is ``NOT_SAVED`` if the database did not take it for ``CHAT["SAVE_TIMEOUT"]``, and ``None`` if another
        process has already ended the answer. The database is written before the closing chunk is sent, so that a
        reader that has the chunk finds the answer stored.
        """
        written, end = self.unsaved = self.written(), End(ending, self._usage)
        wait, deadline, announced = conf.retry_wait, self._loop.time() + conf.save_timeout, False
        while True:
            try:
                mine = await in_database(finish, self._process, written, end)
            except DatabaseError:
                logger.exception("The answer %s could not be written.", self.answer_id)
            else:
                self.unsaved = None
                return ending if mine else None
            if self._loop.time() + wait > deadline:
                return NOT_SAVED
            if not announced:
                announced = True
                self.stream.append(SAVING)
            await asyncio.sleep(wait)
            wait = min(2 * wait, LONGEST_PAUSE)
