"""Starts a turn for a socket or a form: stores it, in order within its conversation, and starts its run."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace

from ..assistants import Assistant
from ..assistants.about import is_derived, read, uid_of
from ..assistants.discovery import backends_of, name_of, registry
from ..assistants.permission import tools_for
from ..conf import conf
from ..db.answers import is_stopping
from ..db.counters import LimitReached
from ..db.known_turns import regenerate
from ..db.repeats import stored_turn
from ..db.threads import in_database
from ..db.turns import ask
from ..db.values import Ask, OtherSubjectError, Regenerate, Subject, Turn, Writer
from ..errors import Refusal
from ..events import Event
from ..models import Message
from ..signals import asking
from ..streams.base import StreamKey
from .admission import admitted
from .announcing import announce_answer, announce_limit, ask_receivers
from .engine import Engine, State
from .fallback import writer_of
from .measuring import count_run
from .meter import meter_of
from .run import INTERRUPTED, Run

logger = logging.getLogger(__name__)

STOP_WAIT = 5.0
"""How long a question waits for the end of an answer that was stopped in another process, in seconds."""

STEPS = 4
"""After this many further steps of the event loop, a tick has reached the readers: run, rendering, reader, socket."""

Asked = Ask | Regenerate


async def begin(engine: Engine, asked: Asked, follow: Callable[[Message], None] | None = None) -> Turn:
    """Store a turn and start its run, or find the turn if the same request was stored before.

    The work is a task of the process: it is completed, and ``follow`` is called with the answer, even if the caller is
    cancelled. Raises ``Refusal`` and ``django.db.Error``.
    """
    return await engine.tasks.complete(_begin(engine, asked, follow))


async def _begin(engine: Engine, asked: Asked, follow: Callable[[Message], None] | None) -> Turn:
    if engine.state is State.NEW:
        await engine.start()
    try:
        turn = await _begin_about(engine, asked, _subject(asked))
    except OtherSubjectError as other:
        turn = await _begin_about(engine, asked, other.subject)
    if follow is not None:
        follow(turn.answer)
    return turn


def _subject(asked: Asked) -> Subject:
    """Return the subject that a request names. Its page may be from before its visitor has signed in."""
    return read(asked.about, asked.assistant, asked.owner.digest, asked.owner.former_digest)


async def _begin_about(engine: Engine, asked: Asked, subject: Subject) -> Turn:
    """Begin a turn with an assistant about an object. Raises ``OtherSubjectError`` if the conversation has others."""
    try:
        assistant = await admitted(asked.owner, subject, asked.language)
    except Refusal:
        if turn := await _repeated(engine, asked):
            return turn
        raise
    if isinstance(asked, Ask) and asked.press is not None and asked.press.tool not in await tools_for(assistant):
        raise Refusal("forbidden")
    named = engine.backends.named(backends_of(type(assistant)))[0]
    meter = await meter_of(assistant, asked.owner, asked.network, named)
    writer = replace(writer_of(engine.process, type(assistant), named), subject=subject, meter=meter)
    writer = replace(writer, refuses_new=_belongs_to_another(asked, subject))
    if asking.has_listeners(type(assistant)):
        if turn := await _repeated(engine, asked):
            return turn
        await ask_receivers(assistant, asked)
    async with engine.locks[asked.owner, asked.uid]:
        try:
            turn = await _store_after_end(engine, asked, writer)
        except LimitReached as reached:
            announce_limit(assistant, asked.uid, reached)
            raise
        if turn.fresh:
            turn = replace(turn, meter=meter)
            if isinstance(asked, Ask):
                turn = replace(turn, pressed=asked.press, returns=asked.returns)
            if turn.stopped is not None:
                announce_answer(turn.stopped.pk)
            assistant.conversation = turn.conversation
            start(engine, turn, assistant)
    return turn


async def _repeated(engine: Engine, asked: Asked) -> Turn | None:
    """Return the turn of a request that was stored while it was allowed: what is stored may be read."""
    async with engine.locks[asked.owner, asked.uid]:
        return await in_database(stored_turn, asked)


async def _store_after_end(engine: Engine, asked: Asked, writer: Writer) -> Turn:
    """Store a turn, if need be after the end of an answer that the visitor has stopped."""
    try:
        return await _store(engine, asked, writer)
    except Refusal as refusal:
        # A visitor who stops an answer and asks again at once must not be refused because it is still ending.
        if refusal.code != "busy" or not await _has_ended(engine, asked):
            raise
        return await _store(engine, asked, writer)


async def _store(engine: Engine, asked: Asked, writer: Writer) -> Turn:
    if engine.draining:
        raise Refusal("draining")
    if isinstance(asked, Regenerate):
        return await in_database(regenerate, asked, writer)
    return await in_database(ask, asked, writer)


def _belongs_to_another(asked: Asked, subject: Subject) -> bool:
    """Tell whether a conversation's id is one that the tag makes for an object, but not for this one."""
    return asked.uid != uid_of(subject) and any(is_derived(asked.uid, name_of(found)) for found in registry.defined)


def start(engine: Engine, turn: Turn, assistant: Assistant) -> None:
    """Start the run of a new turn, and with the first run the tick that flushes all runs."""
    backends = engine.backends.named(backends_of(type(assistant)))
    key = StreamKey(turn.answer.pk, turn.answer.run)
    run = Run(turn, engine.process, assistant, backends, engine.streams.open(key))
    engine.runs[run.answer_id] = run
    if engine.state is State.ENDING:  # the grace period ended while the question was being stored
        run.end(INTERRUPTED)
    engine.tasks.spawn(_run_to_end(engine, run))
    engine.events.publish(turn.conversation.owner, Event.started(turn.conversation, turn.answer))
    if engine.next_tick is None:
        engine.next_tick = engine.loop.call_later(conf.tick, _tick, engine)


async def _run_to_end(engine: Engine, run: Run) -> None:
    """Generate an answer, and clean up after it, however it ended."""
    try:
        await run.make()
    finally:
        if run.unsaved is not None:
            engine.heartbeat.keep(*run.unsaved)
        run.stream.close()
        run.over.set()
        count_run(run)
        if engine.runs.get(run.answer_id) is run:  # a decision may have begun the next one
            del engine.runs[run.answer_id]
        key = StreamKey(run.answer_id, run.turn.answer.run)
        engine.loop.call_later(conf.stream_retention, engine.streams.discard, key)
        engine.events.publish(run.turn.conversation.owner, Event.ended(run.turn.answer, waiting=run.waits))
        engine.titles.answered(run.turn, run.named)
        if not run.waits:
            announce_answer(run.answer_id)
        run.announce_limit()


def _tick(engine: Engine) -> None:
    """Flush every run, and let those read on that wait for it."""
    began = engine.loop.time()
    try:
        for run in engine.runs.values():
            run.tick(began)
    finally:  # whatever happens in a run, the others continue
        engine.next_tick = engine.loop.call_soon(_plan_tick, engine, began, STEPS)


def _plan_tick(engine: Engine, began: float, steps: int) -> None:
    """Plan the next tick when the last one, which ``began`` at this time, has reached the readers.

    Under load the ticks are further apart, so that they take at most half of the time.
    """
    if steps:
        engine.next_tick = engine.loop.call_soon(_plan_tick, engine, began, steps - 1)
    elif engine.runs:
        took = engine.loop.time() - began
        engine.next_tick = engine.loop.call_later(max(conf.tick - took, took), _tick, engine)
    else:
        engine.next_tick = None


async def _has_ended(engine: Engine, asked: Asked) -> bool:
    """Wait for the end of an answer that was stopped, here or elsewhere; return ``False`` if none was stopped."""
    if ending := [run for run in engine.runs_of(asked.owner, asked.uid) if run.is_ending]:
        for run in ending:
            await run.over.wait()
        return True
    deadline = time.monotonic() + STOP_WAIT
    while stopping := await in_database(is_stopping, asked.owner, asked.uid):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(conf.tick)
    return stopping is None
