"""A site of several server processes on one database, with the scripted upstream as its model."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults import clock, pace
from tests.faults.databases import Database
from tests.faults.services import RedisServer
from tests.support.behaviours import AS_ASKED
from tests.support.processes import SiteProcess, site_environment
from tests.support.upstream import Upstream

KEY = "sk-planted-7d1f0a"
"""The site's API key for its model; it must not appear anywhere."""


@dataclass(frozen=True)
class Stored:
    """A message as stored in the database."""

    uid: str
    role: str
    status: str
    text: str
    error: str
    parts: str


class Site:
    """A site whose processes ``site[0]``, ``site[1]`` ... are all alike; each keeps its port across restarts."""

    def __init__(self, folder: Path, database: Database, upstream: Upstream, redis: RedisServer | None = None) -> None:
        self.folder = folder
        self.database = database
        self.upstream = upstream
        self.redis = redis
        self.processes: list[SiteProcess] = []
        self.traces = folder / "traces"
        """Where the tools of the site's assistant leave a trace of each use."""
        self.traces.mkdir(exist_ok=True)
        self._said: dict[int, int] = {}

    def __getitem__(self, index: int) -> SiteProcess:
        return self.processes[index]

    def __len__(self) -> int:
        return len(self.processes)

    def add(
        self, server: str = "uvicorn", model_url: str = "", layers: dict[str, Any] | None = None, **chat: Any
    ) -> SiteProcess:
        """Start one more process; ``chat`` has entries for its ``CHAT`` setting, ``layers`` its channel layers."""
        redis = self.redis.url if self.redis else ""
        number = len(self.processes)
        clock.set_offset(self._clock(number), 0)
        settings = {
            "DJANGO_SETTINGS_MODULE": "tests.faults.site_settings",
            "SITE_CHAT": json.dumps({**pace.chat(), "REDIS_URL": redis, "REDIS_PREFIX": self.folder.name, **chat}),
            "SITE_CHANNEL_LAYERS": json.dumps(layers),
            "SITE_CLOCK": str(self._clock(number)),
            "SITE_TRACES": str(self.traces),
            "DATABASE_URL": self.database.url,
            "REDIS_URL": redis,
            "OPENAI_BASE_URL": model_url or self.upstream.url,
            "OPENAI_API_KEY": KEY,
            "OPENAI_MODEL": AS_ASKED,
        }
        log = self.folder / f"process{number}.log"
        process = SiteProcess(server, site_environment(self.folder, **settings), log)
        self.processes.append(process)
        return process

    @property
    def log(self) -> str:
        """Return what all processes have logged since ``mend``."""
        return "\n".join(process.log[self._said.get(process.port, 0) :] for process in self.processes)

    def stored(self, conversation: str) -> list[Stored]:
        """Return the messages of a conversation in order, including those of other branches."""
        rows = self.database.rows(
            "SELECT m.uid, m.role, m.status, m.text, m.error, CAST(m.parts AS TEXT) FROM llm_chat_message m"
            " JOIN llm_chat_conversation c ON c.id = m.conversation_id WHERE c.uid = %s ORDER BY m.id",
            conversation,
        )
        return [Stored(*row) for row in rows]

    def message(self, uid: str) -> Stored:
        """Return one message by its id."""
        rows = self.database.rows(
            "SELECT uid, role, status, text, error, CAST(parts AS TEXT) FROM llm_chat_message WHERE uid = %s", uid
        )
        assert len(rows) == 1, f"{len(rows)} messages have the id {uid}"
        return Stored(*rows[0])

    def carrier(self, uid: str) -> SiteProcess:
        """Return the process that is writing an answer."""
        rows = self.database.rows(
            "SELECT p.pid FROM llm_chat_process p JOIN llm_chat_message m ON m.process_id = p.id WHERE m.uid = %s", uid
        )
        assert rows, f"no process is writing the answer {uid}"
        return next(process for process in self.processes if process.process.pid == rows[0][0])

    def set_clocks(self, *offsets: float) -> None:
        """Set the time of day of each process, in seconds from the real time."""
        for number, offset in enumerate(offsets):
            clock.set_offset(self._clock(number), offset)

    def _clock(self, number: int) -> Path:
        return self.folder / f"process{number}.clock"

    def mend(self) -> None:
        """Restart every process that is down, end all faults, and clear the logs."""
        self.set_clocks(*[0.0] * len(self))
        for process in self.processes:
            if process.alive:
                process.resume()
            else:
                process.start()
        self._said = {process.port: len(process.log) for process in self.processes}

    def close(self) -> None:
        for process in self.processes:
            process.close()


@contextlib.contextmanager
def site_of(folder: Path, database: Database, upstream: Upstream, redis: RedisServer | None = None) -> Iterator[Site]:
    """Yield a site without processes, and close it when the context ends."""
    site = Site(folder, database, upstream, redis)
    try:
        yield site
    finally:
        site.close()
        database.drop()
