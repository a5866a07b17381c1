"""Answers whose model is played by the test: the questions, the calls they cause, and when the site closes those."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from tests.faults import pace
from tests.faults.promises import eventually
from tests.faults.site import Site
from tests.faults.visitor import Answer, Tab, asking
from tests.support.behaviours import Call

LET_GO = pace.longer(1.0, 3.0)
"""How long a connection to the model may stay open after its answer was stopped, in seconds."""


async def call_of(site: Site, answer: Answer, attempt: int = 1) -> Call:
    """Return the model call for an answer; ``attempt`` counts the answers to one question, from 1."""
    await eventually(lambda: len(site.upstream.calls_of(answer.question)) >= attempt, "the model was not asked", 20)
    return site.upstream.calls_of(answer.question)[attempt - 1]


async def begun(site: Site, tab: Tab, *said: str, chat: str | None = None) -> tuple[Answer, Call]:
    """Start an answer, and wait until a tab shows what the model has sent so far."""
    answer = await tab.ask(asking("gated"), chat)
    call = await call_of(site, answer)
    for text in said:
        call.say(text)
    await answer.until(lambda: answer.uid and answer.text == "".join(said))
    return answer, call


async def let_go(call: Call, wait: float = LET_GO) -> float:
    """Wait until the site closes the connection of a call, and return how long that took in seconds."""
    return await eventually(lambda: call.closed, f"the connection to the model was open after {wait} s", wait)


@contextlib.asynccontextmanager
async def talking(calls: Sequence[Call]) -> AsyncIterator[None]:
    """Let the model send a word from time to time in each call until the context ends."""

    async def talk() -> None:
        while True:
            for call in calls:
                call.say("word ")
            await asyncio.sleep(pace.seconds(1.0))

    task = asyncio.create_task(talk())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
