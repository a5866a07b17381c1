"""What was asked, what was promised about it, and which promises were broken."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import psycopg

from chat.html.markdown import render
from tests.faults.promises import ENDED, status_shown
from tests.faults.site import Site, Stored
from tests.faults.visitor import Answer

T = TypeVar("T")

LATEST = 60.0
"""I3: no answer may run for longer than this; each needs at most a fifth of it by itself."""

AWAY = 60.0
"""How long a query waits for the database to recover."""


@dataclass
class Asked:
    """A question and its answers; ``repeats`` is how often the model may be called for one answer."""

    chat: str
    message: str
    question: str
    repeats: int = 1
    answers: set[str] = field(default_factory=set)


class Ledger:
    """Everything that was asked in a run. ``violations`` are sentences."""

    def __init__(self, site: Site) -> None:
        self.violations: list[str] = []
        self.asked: list[Asked] = []
        self.seen: Counter[str] = Counter()
        """Counts of what happened, for the summary."""
        self._site = site
        self._begun = time.monotonic()
        self._late: set[str] = set()

    @property
    def now(self) -> float:
        """Return the seconds since the beginning."""
        return time.monotonic() - self._begun

    def violate(self, promise: str, sentence: str) -> None:
        self.violations.append(f"{self.now:6.0f} s  {promise}: {sentence}")
        print(self.violations[-1], flush=True)

    async def look(self, step: Callable[..., T], *arguments: object) -> T:
        """Query the database, and retry while it is down."""
        latest = time.monotonic() + AWAY
        while True:
            try:
                return await asyncio.to_thread(step, *arguments)
            except psycopg.OperationalError:
                if time.monotonic() > latest:
                    raise
                await asyncio.sleep(0.2)

    async def check_shown(self, answer: Answer, reader: str) -> None:
        """Check I2: an ended answer is shown as it is stored."""
        assert answer.uid is not None
        stored = await self.look(self._site.message, answer.uid)
        if difference := _difference(answer, stored):
            self.violate("I2", f"{reader} shows {answer.uid} differently from what is stored: {difference}")
        self.seen[f"answers {stored.status}"] += 1

    async def check_running(self) -> None:
        """Check I3: nothing is running that should have ended."""
        query = (
            "SELECT m.uid, EXTRACT(EPOCH FROM now() - m.created_at) FROM llm_chat_message m"
            " WHERE m.status = 'running' AND m.created_at < now() - make_interval(secs => %s)"
        )
        for uid, age in await self.look(self._site.database.rows, query, LATEST):
            if uid not in self._late:
                self.violate("I3", f"{uid} has been running for {age:.0f} s")
            self._late.add(uid)

    async def running(self) -> set[str]:
        """Return the ids of the running answers."""
        rows = await self.look(self._site.database.rows, "SELECT uid FROM llm_chat_message WHERE status = 'running'")
        return {uid for (uid,) in rows}

    async def check_all(self) -> None:
        """Check I1 and I4 for everything that was asked and acknowledged."""
        calls = Counter(call.question for call in list(self._site.upstream.calls))
        for asked in list(self.asked):
            messages = await self.look(self._site.stored, asked.chat)
            questions = [message for message in messages if message.uid == asked.message]
            answers = await self.look(self._answers_of, asked)
            if len(questions) != 1 or {message.uid for message in answers} != asked.answers:
                there = [f"{message.uid} ({message.status})" for message in answers]
                self.violate("I1", f"{asked.message} is stored {len(questions)} times, with the answers {there}")
            self._check_calls(asked, answers, calls[asked.question])

    async def check_interrupted(self, deaths: list[float]) -> None:
        """Check that only answers whose process ended meanwhile were interrupted; ``deaths`` are times of the clock.

        A model that disconnects early also interrupts its answers; those are left out.
        """
        query = (
            "SELECT a.uid, EXTRACT(EPOCH FROM a.created_at), EXTRACT(EPOCH FROM a.ended_at) FROM llm_chat_message a"
            " JOIN llm_chat_message q ON a.parent_id = q.id WHERE a.status = 'interrupted' AND q.text LIKE 'paced:%%'"
        )
        for uid, begun, ended in await self.look(self._site.database.rows, query):
            if not any(begun - 1 <= death <= ended for death in deaths):
                self.violate("I3", f"{uid} was interrupted after {ended - begun:.1f} s, and its process had not ended")

    def _check_calls(self, asked: Asked, answers: list[Stored], calls: int) -> None:
        early = sum(message.status in ("interrupted", "stopped") and not message.text for message in answers)
        if not len(answers) - early <= calls <= len(answers) * asked.repeats:
            self.violate("I4", f"{asked.message} has {len(answers)} answers, and the model was called {calls} times")

    def _answers_of(self, asked: Asked) -> list[Stored]:
        query = (
            "SELECT a.uid, a.role, a.status, a.text, a.error, '' FROM llm_chat_message a"
            " JOIN llm_chat_message q ON a.parent_id = q.id JOIN llm_chat_conversation c ON c.id = q.conversation_id"
            " WHERE c.uid = %s AND q.uid = %s"
        )
        return [Stored(*row) for row in self._site.database.rows(query, asked.chat, asked.message)]


def _difference(answer: Answer, stored: Stored) -> str:
    if stored.status not in ENDED:
        return f"it is {stored.status}"
    if answer.uid in answer.page.messages:
        message = answer.page.messages[answer.uid]
        same = answer.page.blocks(answer.uid) == list(render(stored.text))
        shown, length = message.status, len("".join(answer.page.blocks(answer.uid)))
    else:
        same, shown, length = answer.text == stored.text, status_shown(answer), len(answer.text)
    if same and (shown == stored.status or answer.code == "not_saved"):
        return ""
    return f"{shown} with {length} characters, stored {stored.status} with {len(stored.text)}; same text: {same}"
