"""Visitors who ask, read in both formats, stop, ask for another answer, and often lose their sockets."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable

from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.faults.network import Network
from tests.faults.promises import ENDED
from tests.faults.soak.ledger import Asked, Ledger
from tests.faults.visitor import Answer, Tab, asking, fresh

PATIENCE = 80.0
"""How long a visitor waits for an answer: its own length, plus the minute in which every fault must be over."""

TURNED_AWAY = {"storage", "draining", "busy", "internal", "lost"}
"""Refusals after which the page, or the visitor, tries again."""

FAILING = {"status:429": 3, "reset": 3, "break-off:2": 1}
"""Failing behaviours of a model, and how often it is called for one answer."""

Send = Callable[[], Awaitable[None]]


class Person:
    """One visitor. ``doors`` are the networks in front of the site's processes; any of them may be shut."""

    def __init__(self, name: str, cookie: str, doors: list[Network], ledger: Ledger, chance: random.Random) -> None:
        self.name = name
        self.failing = False
        """Whether the model that is asked now fails."""
        self.tabs: list[Tab] = []
        self._cookie = cookie
        self._doors = doors
        self._ledger = ledger
        self._chance = chance
        self._looking: set[asyncio.Task[None]] = set()

    async def chat(self, over: asyncio.Event) -> None:
        """Take turn after turn, until ``over`` is set."""
        chat = fresh("c")
        while not over.is_set():
            if self._chance.random() < 0.4:
                chat = fresh("c")
            try:
                async with asyncio.timeout(4 * PATIENCE):
                    await self._turn(chat)
            except Exception as error:  # whatever the error, this visitor was not served
                self._ledger.violate("I3", f"{self.name} in {chat}: {error!r}")
                chat = fresh("c")
            finally:
                await self._leave()

    async def _turn(self, chat: str) -> None:
        """Ask a question, read its answer, and perhaps request another answer to it."""
        tab = await self._open()
        behaviour = self._behaviour()
        answer = Answer(chat, asking(behaviour), fresh("m"))
        asked = Asked(chat, answer.message, answer.question, FAILING.get(behaviour, 1))
        await self._read(tab, answer, lambda: tab.send(answer), asked)
        self._ledger.asked.append(asked)
        while self._chance.random() < 0.2:
            again, old, attempt = Answer(chat, answer.question, answer.message), answer.uid, fresh("t")
            again.page = answer.page

            async def regenerate(again: Answer = again, old: str | None = old, attempt: str = attempt) -> None:
                more = {"messageId": old, "body": {"attempt": attempt}}
                await tab.request(again, "send", trigger="regenerate-message", messages=[], **more)

            await self._read(tab, again, regenerate, asked)
            answer = again
        await asyncio.sleep(self._chance.random())

    async def _read(self, tab: Tab, answer: Answer, send: Send, asked: Asked) -> None:
        """Send, and read to the end, with some mischief meanwhile."""
        with contextlib.suppress(ConnectionClosed):
            await send()
        mischief = asyncio.create_task(self._mischief(tab, answer))
        try:
            await self._follow(tab, answer, send)
        finally:
            mischief.cancel()
            await asyncio.gather(mischief, return_exceptions=True)
            looking, self._looking = self._looking, set()
            await asyncio.gather(*looking)
        assert answer.uid is not None
        asked.answers.add(answer.uid)
        await self._ledger.check_shown(answer, self.name)

    async def _follow(self, tab: Tab, answer: Answer, send: Send) -> None:
        """Do what our page does until an answer has ended."""
        async with asyncio.timeout(PATIENCE):
            while True:
                await answer.until(lambda: answer.over or tab.lost, PATIENCE)
                if answer.over and _settled(answer):
                    return
                if not tab.lost:
                    assert answer.code in TURNED_AWAY or answer.missing, f"{answer.uid} ended with {answer.frames[-1:]}"
                    self._ledger.seen[f"refusals {answer.code}"] += 1
                    await asyncio.sleep(self._chance.random())
                if tab.lost or answer.code in ("draining", "lost"):
                    await self._connect(tab)
                answer.code = None
                with contextlib.suppress(ConnectionClosed):
                    await (send() if answer.uid is None else tab.resume(answer, replay=self._chance.random() < 0.2))

    async def _mischief(self, tab: Tab, answer: Answer) -> None:
        """Lose the socket, stop, or join with a second tab, at a random moment of an answer."""
        while True:
            await asyncio.sleep(6 * self._chance.random())
            act = self._chance.random()
            if act < 0.4:
                self._ledger.seen["sockets cut by a visitor"] += 1
                tab.socket.transport.abort()  # type: ignore[union-attr]
            elif act < 0.55:
                with contextlib.suppress(ConnectionClosed, StopIteration):
                    await tab.stop(answer)
                    self._ledger.seen["stops"] += 1
            elif act < 0.75 and answer.uid is not None:
                self._looking.add(asyncio.create_task(self._join_in_second_tab(answer)))

    async def _join_in_second_tab(self, answer: Answer) -> None:
        """Follow the same answer in a second tab."""
        tab = await self._open()
        joined = Answer(answer.chat, answer.question, "")
        with contextlib.suppress(ConnectionClosed):
            await tab.resume(joined)
        await joined.until(lambda: joined.frames or tab.lost, PATIENCE)
        if joined.missing or joined.code in TURNED_AWAY:
            return  # it has just ended, or the server cannot say at the moment
        joined.uid = answer.uid
        await self._follow(tab, joined, lambda: tab.resume(joined))
        self._ledger.seen["second tabs"] += 1
        await self._ledger.check_shown(joined, f"{self.name}'s second tab")

    def _behaviour(self) -> str:
        if self.failing:
            return self._chance.choice(list(FAILING))
        count = self._chance.randrange(10, 200)
        return f"paced:{count}:{max(count // 10, self._chance.randrange(10, 60))}"

    async def _open(self) -> Tab:
        tab = Tab(self._cookie, self._chance.choice(["text", "html"]))
        self.tabs.append(tab)
        await self._connect(tab)
        return tab

    async def _connect(self, tab: Tab) -> None:
        """Connect through any door, retrying as often as needed; sometimes after a while away."""
        await tab.drop()
        if self._chance.random() < 0.05:
            await asyncio.sleep(15)
        wait = 0.1
        while True:
            try:
                async with asyncio.timeout(10):
                    return await tab.connect(self._chance.choice(self._doors).port)
            except (OSError, EOFError, ConnectionClosed, InvalidHandshake):
                self._ledger.seen["connections refused"] += 1
            await asyncio.sleep(wait * self._chance.random())
            wait = min(2 * wait, 2.0)

    async def _leave(self) -> None:
        for tab in self.tabs:
            with contextlib.suppress(Exception):  # it was reported when it happened
                await tab.close()
        self.tabs = []


def _settled(answer: Answer) -> bool:
    """Return whether a page shows how the answer ended."""
    if answer.uid in answer.page.messages:
        return answer.page.messages[answer.uid].status in ENDED
    return answer.ending is not None
