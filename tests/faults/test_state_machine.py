"""I1 to I4 over any order of sending, cutting, resuming, stopping, asking again and killing processes.

The model keeps sending until a conversation is settled, so that every event happens in the middle of an answer.
"""

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, note, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from websockets.exceptions import ConnectionClosed

from tests.faults import pace
from tests.faults.promises import assert_shown_as_stored, eventually, stored_ending
from tests.faults.visitor import AGAIN, Answer, Tab, asking, fresh
from tests.support.behaviours import Call

RECOVERY = pace.seconds(30.0 + 2 * 2.0) + pace.longer(3.0, 8.0)
PATIENCE = 2 * RECOVERY + 30.0
"""How long a page may have to wait, for two recoveries at most."""
SETTINGS = settings(
    max_examples=pace.rounds(6, 40),
    stateful_step_count=pace.rounds(8, 20),
    phases=[Phase.generate],  # a run on a live site cannot be shrunk, because it is different each time
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@contextlib.contextmanager
def loop_of_its_own():
    """Run an event loop on a thread, so that the pages keep reading between two rules."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="pages")
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@dataclass
class Page:
    """One tab, the answer it shows, and how it asked for that answer (``None`` if another tab did)."""

    tab: Tab
    answer: Answer
    ask: Callable[[], Awaitable[None]] | None = None

    async def on(self, port: int) -> None:
        """Do what our page does on a new socket: ask until the server has the question, then follow its answer."""
        await self.tab.reconnect(port)
        with contextlib.suppress(ConnectionClosed):
            await (self.ask() if self.ask and self.answer.uid is None else self.tab.resume(self.answer))

    @property
    def at_its_end(self) -> bool:
        """Return whether there is nothing left to ask for. A page may be up to date when a resume finds nothing."""
        answer = self.answer
        shown = answer.page.messages or answer.ending
        return answer.over and answer.code not in AGAIN and bool(shown or not answer.missing)

    async def follow_through(self, port: int) -> None:
        async with asyncio.timeout(2 * PATIENCE):
            while not self.at_its_end:
                await self.answer.until(lambda: self.answer.over or self.tab.lost, PATIENCE)
                if not self.at_its_end:
                    self.answer.code = None
                    await self.on(port)


@dataclass
class Turn:
    """One conversation: its question, and the pages that show it. The first page asked the question."""

    pages: list[Page]
    attempts: int = 1
    calls: int = 0
    """The number of model calls made for earlier attempts."""
    begun: str = ""
    """The text that the current attempt started with."""
    stopped: bool = False
    killed: bool = False
    """Whether a process was killed since the current attempt began."""
    said: bool = False
    """Whether the model has nothing more to send."""
    finished: set[Call] = field(default_factory=set)

    @property
    def answer(self) -> Answer:
        return self.pages[0].answer


PROCESS = st.sampled_from([0, 1])
VIEW = st.sampled_from(["text", "html"])


class Visits(RuleBasedStateMachine):
    """What pages do and what happens to the processes. No random draw depends on what the site is doing."""

    site = loop = cookie = None
    turns = Bundle("turns")

    def __init__(self):
        super().__init__()
        self.site.mend()
        self.dead = set()
        self.known = []
        self.unrecovered = False
        """Whether a process was killed and the end of its answers has not been awaited since."""
        self.talking = asyncio.run_coroutine_threadsafe(self.talk(), self.loop)

    async def talk(self):
        """Let the model send a word in each call from time to time, and finish where it may."""
        while True:
            for turn in list(self.known):
                for call in set(self.site.upstream.calls_of(turn.answer.question)) - turn.finished:
                    if turn.said:
                        turn.finished.add(call)
                        call.finish()
                    else:
                        call.say("wörd ")
            await asyncio.sleep(0.02)

    def do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def port(self, process):
        """Return the port of a process, or of the other one if that is dead."""
        return self.site[1 - process if process in self.dead else process].port

    async def page(self, process, view, answer):
        tab = Tab(self.cookie, view)
        await tab.reconnect(self.port(process))
        return Page(tab, answer)

    @initialize(target=turns, process=PROCESS, view=VIEW)
    def send_first(self, process, view):
        return self.send_one(process, view)

    @rule(target=turns, process=PROCESS, view=VIEW, heard=st.booleans())
    def send(self, process, view, heard):
        """Send a question; unless ``heard``, the page loses its socket at once."""
        turn = self.send_one(process, view)
        if not heard:
            self.do(turn.pages[0].tab.drop())
        return turn

    def send_one(self, process, view):
        answer = Answer(fresh("c"), asking("gated"), fresh("m"))
        page = self.do(self.page(process, view, answer))
        page.ask = lambda: page.tab.send(answer)
        self.known.append(turn := Turn([page]))
        self.do(page.ask())
        return turn

    @rule(turn=turns, number=st.integers(0, 5))
    def cut(self, turn, number):
        self.do(turn.pages[number % len(turn.pages)].tab.drop())

    @rule(turn=turns, number=st.integers(0, 5), process=PROCESS)
    def resume(self, turn, number, process):
        self.do(turn.pages[number % len(turn.pages)].on(self.port(process)))

    @rule(turn=turns, process=PROCESS, view=VIEW)
    def resume_in_another_tab(self, turn, process, view):
        page = self.do(self.page(process, view, Answer(turn.answer.chat, turn.answer.question, "")))
        self.do(page.tab.resume(page.answer))
        turn.pages.append(page)

    @rule(turn=turns, number=st.integers(0, 5))
    def stop(self, turn, number):
        """Press the button, and see the answer end if the page shows it, unless its socket or a process ends first."""
        page = turn.pages[number % len(turn.pages)]
        shown = page.answer.sequence >= 0 and not page.answer.over
        turn.stopped = True
        with contextlib.suppress(ConnectionClosed):
            if not page.tab.lost:
                self.do(page.tab.stop(page.answer))
                if shown:
                    self.do(page.answer.until(lambda: page.answer.over or page.tab.lost, PATIENCE))

    @rule(turn=turns, go_on=st.booleans(), process=PROCESS)
    def ask_again(self, turn, go_on, process):
        note(self.do(self.settle(turn)))
        first, *others = turn.pages
        for page in others:
            self.do(page.tab.close())
        old = first.answer
        turn.begun = self.site.message(old.uid).text if go_on else ""
        answer = first.answer = Answer(old.chat, old.question, old.message)
        answer.page = old.page
        body = {"attempt": fresh("t"), "continue": go_on}
        frame = {"trigger": "regenerate-message", "messages": [], "messageId": old.uid, "body": body}
        first.ask = lambda: first.tab.request(answer, "send", **frame)
        turn.pages, turn.attempts = [first], turn.attempts + 1
        turn.stopped = turn.killed = turn.said = False
        turn.calls = len(self.site.upstream.calls_of(old.question))
        self.do(first.on(self.port(process)))

    @rule(process=PROCESS, at_once=st.booleans())
    def kill(self, process, at_once):
        if process in self.dead:
            return
        self.site[process].kill()
        self.unrecovered = True
        for turn in self.known:
            turn.killed = True
        self.dead.add(process)
        if at_once or len(self.dead) == 2:
            self.start()

    @precondition(lambda self: self.dead)
    @rule()
    def start(self):
        self.site.mend()
        self.dead.clear()

    @precondition(lambda self: self.unrecovered)
    @rule()
    def recover(self):
        """Wait for the end of all answers of killed processes."""
        alive = {process.process.pid for process in self.site.processes if process.alive}
        query = (
            "SELECT p.pid FROM llm_chat_message m LEFT JOIN llm_chat_process p ON p.id = m.process_id"
            " WHERE m.status = 'running'"
        )

        def recovered():
            return all(pid in alive for (pid,) in self.site.database.rows(query))

        self.do(eventually(recovered, "an answer of a dead process is still running", RECOVERY))
        self.unrecovered = False

    async def settle(self, turn):
        """Follow every page of a conversation to the end, and check all promises."""
        site, answer = self.site, turn.answer
        turn.said = True
        for number, page in enumerate(turn.pages):
            await page.follow_through(self.port(number % 2))
        stored = await stored_ending(site, answer, wait=RECOVERY)
        messages = site.stored(answer.chat)
        roles = sorted(message.role for message in messages)
        assert roles == ["assistant"] * turn.attempts + ["user"], messages
        assert_shown_as_stored(site, *(page.answer for page in turn.pages))
        self.assert_called_once(turn, stored)
        allowed = {"complete"} | ({"stopped"} if turn.stopped else set()) | ({"interrupted"} if turn.killed else set())
        assert stored.status in allowed or not pace.REAL_TIME  # a busy machine may delay a process for too long
        return f"{answer.uid}: {stored.status} with {len(stored.text)} characters, killed: {turn.killed}"

    def assert_called_once(self, turn, stored):
        """Check I4, with its exception: an attempt may have no call if it was stopped or its process died first."""
        calls = len(self.site.upstream.calls_of(turn.answer.question))
        uncalled = stored.status in ("interrupted", "stopped") and stored.text == turn.begun
        assert calls - turn.calls == 1 or (uncalled and calls == turn.calls), (calls, turn.calls, stored)

    def teardown(self):
        self.site.mend()
        self.dead.clear()
        try:
            for turn in self.known:
                note(self.do(self.settle(turn)))
        finally:
            self.talking.cancel()
            for page in (page for turn in self.known for page in turn.pages):
                self.do(page.tab.close())


def test_all_promises_hold_in_any_order_of_events(site_of_topology):
    site = site_of_topology("redis-sqlite")
    site.mend()
    with loop_of_its_own() as loop:

        @seed(pace.SEED)
        class OnThisSite(Visits):
            pass

        OnThisSite.site, OnThisSite.loop, OnThisSite.cookie = site, loop, site[0].visitor()
        run_state_machine_as_test(OnThisSite, settings=SETTINGS)
