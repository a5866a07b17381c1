"""The beginning of a turn, by whatever door it was asked for: stored, in order per conversation, and its run begun."""

import asyncio
import time
from collections.abc import Callable

from ..conf import conf
from ..db.lookups import is_stopping
from ..db.threads import in_database
from ..db.turns import ask, regenerate
from ..db.values import Ask, Regenerate, Turn
from ..errors import Refusal
from ..models import Message
from .engine import Engine
from .run import Run

STOP_WAIT = 5.0
"""How long a question waits for the end of an answer that was stopped on another process, in seconds."""

Asked = Ask | Regenerate


async def begin(engine: Engine, asked: Asked, follow: Callable[[Message], None] | None = None) -> Turn:
    """Store what is asked, or find it, and begin its run. Raises ``Refusal`` and ``django.db.Error``.

    The step belongs to the process: who waits no longer leaves no answer without its run. ``follow`` is told the answer
    even then.
    """
    storing = engine.tasks.spawn(_begin(engine, asked, follow))
    storing.add_done_callback(lambda task: task.cancelled() or task.exception())  # also where nobody waits any more
    return await asyncio.shield(storing)


async def _begin(engine: Engine, asked: Asked, follow: Callable[[Message], None] | None) -> Turn:
    await engine.start()
    async with engine.order(asked.owner, asked.conversation):
        runs = engine.runs_of(asked.owner, asked.conversation)
        try:
            turn = await _stored(engine, asked)
        except Refusal as refusal:
            # Who stops an answer and asks again at once must not be told that it still runs.
            if refusal.code != "busy" or not await _over(runs, asked):
                raise
            turn = await _stored(engine, asked)
        if turn.fresh:
            engine.begin(turn)
    if follow is not None:
        follow(turn.answer)
    return turn


async def _over(runs: list[Run], asked: Asked) -> bool:
    """Wait for the end of an answer that was stopped, here or elsewhere; ``False`` where none was."""
    if ending := [run for run in runs if run.is_ending]:
        for run in ending:
            await run.over.wait()
        return True
    latest = time.monotonic() + STOP_WAIT
    while stopping := await in_database(is_stopping, asked.owner, asked.conversation):
        if time.monotonic() > latest:
            return False
        await asyncio.sleep(conf.tick)
    return stopping is None


async def _stored(engine: Engine, asked: Asked) -> Turn:
    writer = engine.writer()
    if isinstance(asked, Regenerate):
        return await in_database(regenerate, asked, writer)
    return await in_database(ask, asked, writer)
