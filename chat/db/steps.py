"""Lets no process fork in the middle of a database step.

SQLite keeps its locks in the memory of the process. A child that is forked while a thread of its parent writes inherits
the lock without the thread, and finds the database locked for ever.
"""

import os
import threading
from types import TracebackType

from ..forking import after_fork

FORK_WAIT = 1.0
"""How long a fork waits for the steps under way, in seconds."""


class Steps:
    """The database steps under way. Each runs inside ``with``; while a process forks, none begins."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin anew in a forked process, which has none of its parent's steps, nor the thread that has its lock."""
        self._changed = threading.Condition()
        self._running = 0
        self._forks = 0

    def __enter__(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: not self._forks, FORK_WAIT)
            self._running += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._running -= 1
            self._changed.notify_all()

    def hold(self) -> None:
        """Let no further step begin, and wait for those under way, for at most ``FORK_WAIT`` seconds."""
        with self._changed:
            self._forks += 1
            self._changed.wait_for(lambda: not self._running, FORK_WAIT)

    def release(self) -> None:
        """Let steps begin again, once no other thread forks."""
        with self._changed:
            self._forks -= 1
            self._changed.notify_all()


steps = Steps()

os.register_at_fork(before=steps.hold, after_in_parent=steps.release)
after_fork(steps.reset)
