"""Lets the threads of a process write to SQLite one after the other.

SQLite lets one connection write at a time. Others sleep before they try again, for up to 0.1 s (``src/main.c``,
``sqliteDefaultBusyCallback``), and more are served meanwhile. With 50 questions at once, some of them waited for 1 s.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ..forking import after_fork

WAIT = 1.0
"""How long a thread waits for others of its process, in seconds; then it waits as for those of other processes."""

_lock = threading.RLock()


@contextmanager
def one_writer() -> Iterator[None]:
    """Wait until no other thread is in this context. A thread may enter it again, as hooks after a commit do."""
    lock = _lock
    taken = lock.acquire(timeout=WAIT)
    try:
        yield
    finally:
        if taken:
            lock.release()


def _renew() -> threading.RLock:
    """Make a lock that no thread has, because in a forked process there are none of the parent's others."""
    global _lock
    old, _lock = _lock, threading.RLock()
    return old


after_fork(_renew)
