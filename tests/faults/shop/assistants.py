"""The site's own assistant, and one whose tools leave a trace of each use in files."""

import asyncio
import os
import threading
from pathlib import Path

from chat.assistants import Assistant, tool
from chat.assistants.discovery import Settings
from tests.faults.shop import HOLD, RENAMED

TRACES = Path(os.environ["SITE_TRACES"])
PAUSE = 0.01
"""Seconds between two looks for a file."""

_lock = threading.Lock()


class Default(Settings):
    """Answers without tools."""


class Carrier(Assistant):
    """Carries things, and counts."""

    async def get_instructions(self) -> str:
        """Return none, but not before the test lets it."""
        while (TRACES / f"{HOLD}.{self.conversation.uid}").exists():  # noqa: ASYNC110 (another process makes the file)
            await asyncio.sleep(PAUSE)
        return ""

    @tool(timeout=60)
    def carry(self, key: str, held: bool = False) -> dict[str, str]:
        """Carry something, on a thread."""
        _note(key, "begun")
        while held and not (TRACES / f"{key}.go").exists():
            threading.Event().wait(PAUSE)
        _note(key, "done")
        return {"carried": key}

    @tool(timeout=60)
    async def send(self, key: str, held: bool = False) -> dict[str, str]:
        """Send something, on the event loop."""
        _note(key, "begun")
        while held and not (TRACES / f"{key}.go").exists():  # noqa: ASYNC110 (another process makes the file)
            await asyncio.sleep(PAUSE)
        _note(key, "done")
        return {"carried": key}

    @tool(timeout=60, confirm=True)
    def deliver(self, key: str, held: bool = False) -> dict[str, str]:
        """Deliver something, if the visitor agrees."""
        return self.carry(key, held)


class Members(Assistant):
    """Talks only to those who may view groups."""

    def has_permission(self) -> bool:
        """Ask Django."""
        return self.user is not None and self.user.has_perm("auth.view_group")


if (TRACES / RENAMED).exists():
    Carrier.redeliver = Carrier.deliver  # type: ignore[attr-defined]
    del Carrier.deliver


def _note(key: str, what: str) -> None:
    with _lock, (TRACES / f"{key}.{what}").open("a") as file:
        file.write("x")
