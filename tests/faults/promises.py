"""The invariants I1 to I6 and I8, which hold whatever fails, as assertions."""

import asyncio
import contextlib
import gc
import itertools
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass

from chat.errors import ERRORS
from chat.html.markdown import render
from tests.faults.site import KEY, Site, Stored
from tests.faults.visitor import Answer
from tests.support.processes import SiteProcess
from tests.support.upstream import Upstream

MEGABYTE = 1 << 20
POOLS = 1 + 4 + 1 + 8 + min(32, (os.cpu_count() or 1) + 4)
"""The threads of a busy process: the main thread and those of uvloop, asgiref, the database and asyncio."""
ENDED = {"complete", "cut", "stopped", "failed", "interrupted"}


async def eventually(condition: Callable[[], object], what: str, wait: float) -> float:
    """Wait for a condition and return how long it took in seconds; fail with ``what`` if it does not hold in time."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() - begun < wait, what
        await asyncio.sleep(0.01)
    return time.monotonic() - begun


def assert_sent_once(site: Site, answer: Answer, answers: int = 1) -> None:
    """Check I1: the question is stored once, with its answer."""
    messages = site.stored(answer.chat)
    roles = [message.role for message in messages if message.uid == answer.message or message.role == "assistant"]
    assert roles == ["user"] + ["assistant"] * answers, [(m.uid, m.role, m.status) for m in messages]


def assert_shown_as_stored(site: Site, *answers: Answer) -> None:
    """Check I2: the page shows what the database has, byte for byte, and how the answer ended."""
    for answer in answers:
        if answer.page.messages:
            _assert_page_as_stored(site, answer)
            continue
        assert answer.uid is not None, f"the question was not acknowledged but refused: {answer.code}"
        stored = site.message(answer.uid)
        last = [str(frame)[:150] for frame in answer.frames[-3:]]
        assert answer.text == stored.text, f"{_difference(answer.text, stored.text)}; the last frames: {last}"
        assert answer.ending is not None, "the page shows no ending"
        assert status_shown(answer) == stored.status


def _assert_page_as_stored(site: Site, answer: Answer) -> None:
    stored = {message.uid: message for message in site.stored(answer.chat)}
    for uid, message in answer.page.messages.items():
        assert message.status == stored[uid].status in ENDED
        if stored[uid].role == "assistant":
            assert answer.page.blocks(uid) == list(render(stored[uid].text))


def status_shown(answer: Answer) -> str:
    """Return the status that a page in the text format shows."""
    assert answer.ending is not None
    if answer.ending["type"] == "abort":
        return "stopped"
    if answer.ending["type"] == "finish":
        return "cut" if answer.ending["finishReason"] in ("length", "other") else "complete"
    return "interrupted" if answer.code == "interrupted" else "failed"


def _difference(shown: str, stored: str) -> str:
    at = next((i for i, (a, b) in enumerate(zip(shown, stored, strict=False)) if a != b), min(len(shown), len(stored)))
    return f"shown {len(shown)}, stored {len(stored)} characters; at {at}: {shown[at:][:40]!r}, {stored[at:][:40]!r}"


async def stored_ending(site: Site, answer: Answer, wait: float) -> Stored:
    """Check I3: the answer ends in the database within ``wait`` seconds; return it as stored."""
    assert answer.uid is not None
    uid = answer.uid
    await eventually(lambda: site.message(uid).status in ENDED, f"{uid} has no ending after {wait} s", wait)
    return site.message(uid)


async def heartbeats_updated(site: Site, wait: float = 10.0) -> None:
    """Wait until every live process has its row in the database and updates its heartbeat."""
    query = "SELECT pid, heartbeat_at FROM llm_chat_process"
    first = dict(site.database.rows(query))
    alive = {process.process.pid for process in site.processes if process.alive}

    def beating() -> bool:
        now = dict(site.database.rows(query))
        return all(pid in now and now[pid] != first.get(pid) for pid in alive)

    await eventually(beating, f"not all of the processes {alive} update their heartbeat: {first}", wait)


def assert_asked(upstream: Upstream, answer: Answer, times: int = 1) -> None:
    """Check I4: the model was called once for each attempt."""
    calls = upstream.calls_of(answer.question)
    assert len(calls) == times, f"the model was called {len(calls)} times, not {times}"


def assert_plain_errors(site: Site, answers: Iterable[Answer], words: Iterable[str] = ()) -> None:
    """Check I5: errors are fixed codes and sentences; the key, addresses and the endpoint's ``words`` are absent."""
    forbidden = [KEY, site.upstream.url, "Traceback", *words]
    for answer in answers:
        for frame in answer.frames:
            assert "code" not in frame or frame["code"] in ERRORS
            error = frame if frame["type"] == "error" else frame.get("chunk", {})
            assert error.get("errorText") in {None, *(kind.sentence for kind in ERRORS.values())}
        _assert_without(forbidden, str(answer.frames), "a frame")
    for row in site.database.rows("SELECT CAST(parts AS TEXT), text, error, finish_reason FROM llm_chat_message"):
        _assert_without(forbidden, str(row), "the database")
    _assert_without(forbidden, site.log, "the log")


def _assert_without(words: Iterable[str], text: str, where: str) -> None:
    for word in words:
        found = text.find(word)
        assert found < 0, f"{word!r} appears in {where}: {text[max(0, found - 300) : found + 300]}"


def assert_unnoticed(before: Answer, meanwhile: Answer, room: float) -> None:
    """Check I7: another visitor's deltas kept their pace; ``room`` is the pause allowed under load, in seconds."""
    calm, now = longest_pause(before), longest_pause(meanwhile)
    assert now <= max(2 * calm, room), f"another answer paused for {now:.3f} s, {calm:.3f} s before"


def longest_pause(answer: Answer) -> float:
    """Return the 99th percentile of the times between the frames of an answer, in seconds."""
    pauses = sorted(after - before for before, after in itertools.pairwise(answer.times))
    return pauses[int(len(pauses) * 0.99)]


def assert_one_order(site: Site, chat: str) -> None:
    """Check I8: the history of a conversation is one line of alternating questions and answers, on every read."""
    query = (
        "SELECT m.id, m.parent_id, m.role FROM llm_chat_message m JOIN llm_chat_conversation c"
        " ON c.id = m.conversation_id WHERE c.uid = %s ORDER BY m.id"
    )
    rows = site.database.rows(query, chat)
    assert [parent for _, parent, _ in rows] == [None, *(number for number, _, _ in rows[:-1])]
    assert [role for _, _, role in rows] == ["user", "assistant"] * (len(rows) // 2)


@dataclass(frozen=True)
class Footprint:
    """The resources that a server process holds."""

    descriptors: int
    threads: int
    connections: int
    memory: int

    @classmethod
    def of(cls, process: SiteProcess) -> "Footprint":
        seen = process.observed()
        with seen.oneshot():
            sockets = [c for c in seen.net_connections() if c.status == "ESTABLISHED"]
            return cls(seen.num_fds(), seen.num_threads(), len(sockets), seen.memory_info().rss)

    def is_back_at(self, base: "Footprint", memory: int, pool: int) -> bool:
        """Return whether nothing is held that was not held at the start, except for the database's pool."""
        few = self.descriptors <= base.descriptors + 2 + pool and self.connections <= base.connections + 2
        return few and self.threads <= max(base.threads + 2, POOLS) and self.memory <= base.memory + memory


@contextlib.asynccontextmanager
async def back_at_base(site: Site, wait: float = 30.0, memory: int = 20 * MEGABYTE) -> AsyncIterator[None]:
    """Check I6: the context's content leaves nothing behind in any process, the upstream, the database or Redis.

    A process must have answered once before; otherwise its first connections are counted as left behind.
    """
    gc.collect()
    base = [Footprint.of(process) for process in site.processes]
    elsewhere = _connections(site)
    yield
    begun = time.monotonic()
    while True:
        now, connections = [Footprint.of(process) for process in site.processes], _connections(site)
        pool = site.database.pool
        well = all(after.is_back_at(before, memory, pool) for after, before in zip(now, base, strict=True))
        kept = {**elsewhere, "database": max(elsewhere["database"], pool * len(site))}
        if well and all(connections[name] <= kept[name] + 2 for name in kept):
            return
        assert time.monotonic() - begun < wait, f"left behind: {base} became {now}, {elsewhere} became {connections}"
        await asyncio.sleep(0.1)


def _connections(site: Site) -> dict[str, int]:
    found = {"upstream": site.upstream.open_connections, "database": site.database.connections()}
    return {**found, "redis": site.redis.connections()} if site.redis else found
