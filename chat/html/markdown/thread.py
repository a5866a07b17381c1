"""The thread that renders long texts, off the event loop."""

import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TypeVar

A = TypeVar("A")
T = TypeVar("T")

LONG_TEXT = 10_000
"""Characters up to which a text is rendered on the caller's own thread: most take 2 ms, a hostile one 50 ms."""

STACK = 16 * 1024 * 1024
"""Size of the thread's stack in bytes: twice the default of most systems, and 128 times that of musl."""

SWITCH = 0.0005
"""Seconds after which the thread yields to the event loop. Python's default is 0.005, several times per frame."""


@cache
def executor() -> ThreadPoolExecutor:
    """Return the executor of the one thread. More would not be faster: they would wait for the interpreter's lock."""
    made = ThreadPoolExecutor(max_workers=1, thread_name_prefix="chat-rendering")
    before = threading.stack_size(STACK)
    try:
        started: Future[None] = made.submit(lambda: None)  # the pool makes its thread for the first call
    finally:
        threading.stack_size(before)
    started.result()
    return made


def giving_way(step: Callable[[A], T], argument: A) -> T:
    """Run a step on the thread so that other threads, such as the event loop's, soon get the interpreter's lock."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH)
    try:
        return step(argument)
    finally:
        sys.setswitchinterval(before)
