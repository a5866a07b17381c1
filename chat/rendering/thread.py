"""The thread on which long texts are rendered, away from the event loop."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache

LONG_TEXT = 10_000
"""Characters of a text that is rendered on the caller's own thread: most take 2 ms, a hostile one 50 ms."""

STACK = 16 * 1024 * 1024
"""Bytes of the thread's stack: twice what a thread has on most systems, and 128 times that of musl's."""


@cache
def executor() -> ThreadPoolExecutor:
    """Return the executor of the one thread. More would not be quicker: they would wait for the interpreter's lock."""
    made = ThreadPoolExecutor(max_workers=1, thread_name_prefix="chat-rendering")
    before = threading.stack_size(STACK)
    try:
        started: Future[None] = made.submit(lambda: None)  # the pool makes its thread for the first call
    finally:
        threading.stack_size(before)
    started.result()
    return made
