"""Runs the soak test, prints a line per fault and a summary, and exits with 1 if a promise was broken."""

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

from chat.conf import SETTINGS
from tests.faults import pace
from tests.faults.conftest import warm
from tests.faults.databases import Postgres, postgres_template
from tests.faults.network import Network
from tests.faults.promises import Footprint
from tests.faults.services import postgres_server, redis_server
from tests.faults.site import Site, site_of
from tests.faults.soak.harm import Harm
from tests.faults.soak.ledger import Ledger
from tests.faults.soak.people import Person
from tests.faults.soak.watch import Outage, Watch
from tests.faults.visitor import Visitor, asking
from tests.support.upstream import running_upstream

TIMES = {name: SETTINGS[name].default for name in pace.chat()} | {
    "PROCESS_TIMEOUT": 10.0,
    "MAX_CONVERSATIONS_PER_VISITOR": 100_000,
}
PERIOD = 20.0
"""Seconds from one fault to the next."""

CALM = 60.0
"""How long everything may take to end after the last fault, in seconds."""


class Soak:
    """One run of the soak test."""

    def __init__(self, site: Site, seed: int) -> None:
        self.ledger = Ledger(site)
        self._site = site
        self._seed = seed
        self._watch = Watch(site, self.ledger)
        self._over = asyncio.Event()

    async def run(self, people: int, lasts: float) -> None:
        """Let ``people`` visitors chat for ``lasts`` seconds, and check everything."""
        await warm(self._site)
        base = self._held()
        async with self._doors() as doors, contextlib.AsyncExitStack() as stack:
            chatters = []
            for number in range(people):
                visitor = await stack.enter_async_context(Visitor.of(self._site[number % 2]))
                chance = random.Random(f"{self._seed} {number}")
                chatters.append(Person(f"visitor {number}", visitor.cookie, doors, self.ledger, chance))
            assert self._site.redis is not None
            harm = Harm(self._site, self._site.redis, doors, chatters)
            watching = asyncio.create_task(self._watch.sample())
            chatting = [asyncio.create_task(chatter.chat(self._over)) for chatter in chatters]
            await asyncio.wait([asyncio.create_task(self._harm(harm, lasts)), *chatting], return_when="FIRST_COMPLETED")
            self._over.set()
            await asyncio.gather(*chatting)
        await self.ledger.check_all()
        deaths = [outage.clock for outage in self._watch.outages if outage.name.endswith("process")]
        await self.ledger.check_interrupted(deaths)
        await self._check_held(base)
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    async def _harm(self, harm: Harm, lasts: float) -> None:
        """Cause a fault every ``PERIOD``, and report on the site's recovery after each."""
        following: list[asyncio.Task[None]] = []
        async for name, fault in harm.one_after_the_other():
            await asyncio.sleep(PERIOD - self.ledger.now % PERIOD)
            if self.ledger.now > lasts:
                break
            outage = Outage(name, self.ledger.now)
            hit = await self.ledger.running()
            self._watch.outages.append(outage)
            await fault()
            outage.end = self.ledger.now
            following.append(asyncio.create_task(self._follow_up(outage, hit)))
            await self.ledger.check_running()
        await asyncio.gather(*following)

    async def _follow_up(self, outage: Outage, hit: set[str]) -> None:
        served = await self._until(self._served) - outage.end
        ended = await self._until(lambda: self._ended(hit)) - outage.begin
        if ended > CALM:
            self.ledger.violate("I3", f"after {outage.name} an answer ended after {ended:.0f} s")
        print(
            f"{outage.begin:6.0f} s  {outage.name:18}{outage.end - outage.begin:5.1f} s  both processes answered "
            f"{served:4.1f} s after it; the {len(hit):2} answers it met had ended {ended:4.1f} s after its beginning",
            flush=True,
        )

    async def _until(self, condition: Callable[[], Awaitable[bool]]) -> float:
        """Return when a condition came to hold."""
        latest = time.monotonic() + CALM
        while not await condition():
            if time.monotonic() > latest:
                break
            await asyncio.sleep(0.1)
        return self.ledger.now

    async def _served(self) -> bool:
        """Return whether a new visitor gets an answer from each process."""
        with contextlib.suppress(OSError, EOFError, AssertionError):
            for process in self._site.processes:
                async with Visitor.of(process) as visitor:
                    answer = await (await visitor.open(process.port)).ask(asking("ok"))
                    if await answer.ended(10) != "finish":
                        return False
            return True
        return False

    async def _ended(self, hit: set[str]) -> bool:
        return not hit & await self.ledger.running()

    @contextlib.asynccontextmanager
    async def _doors(self) -> AsyncIterator[list[Network]]:
        async with contextlib.AsyncExitStack() as stack:
            yield [await stack.enter_async_context(Network(process.port)) for process in self._site.processes]

    def _held(self) -> tuple[int, int]:
        """Return the descriptors of all processes, except for connections to PostgreSQL, and their threads."""
        held = [Footprint.of(process) for process in self._site.processes]
        return sum(each.descriptors for each in held) - self._site.database.connections(), max(e.threads for e in held)

    async def _check_held(self, base: tuple[int, int]) -> None:
        latest = time.monotonic() + 30
        while (now := self._held())[0] > base[0] + 2 * len(self._site):
            if time.monotonic() > latest:
                self.ledger.violate("I6", f"descriptors rose from {base[0]} to {now[0]}")
                break
            await asyncio.sleep(0.5)
        self.ledger.seen["descriptors left over"] = now[0] - base[0]
        self.ledger.seen["threads at most"] = now[1]

    def summary(self) -> Iterator[str]:
        yield f"questions: {len(self.ledger.asked)}, calls of the model: {len(self._site.upstream.calls)}"
        yield from (f"{what}: {count}" for what, count in sorted(self.ledger.seen.items()))
        yield from self._watch.slopes()
        yield from self._watch.tracebacks()
        yield f"violations: {len(self.ledger.violations)}"
        yield from self.ledger.violations


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--visitors", type=int, default=20)
    parser.add_argument("--seed", type=int, default=pace.SEED)
    options = parser.parse_args(arguments)
    print(f"{options.visitors} visitors for {options.minutes:g} minutes, a fault every {PERIOD:g} s, {options.seed=}")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        redis, postgres = stack.enter_context(redis_server()), stack.enter_context(postgres_server())
        database = Postgres(postgres, postgres_template(postgres, folder))
        upstream = stack.enter_context(running_upstream())
        site = stack.enter_context(site_of(folder, database, upstream, redis))
        for _ in range(2):
            site.add(**TIMES)
        soak = Soak(site, options.seed)
        asyncio.run(soak.run(options.visitors, 60 * options.minutes))
        print("\n".join(soak.summary()))
    return 1 if soak.ledger.violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
