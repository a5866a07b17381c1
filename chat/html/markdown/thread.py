"""The thread on which long texts are rendered, away from the event loop."""

import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TypeVar

A = TypeVar("A")
T = TypeVar("T")

LONG_TEXT = 10_000
"""Characters of a text that is rendered on the caller's own thread: most take 2 ms, a hostile one 50 ms."""

STACK = 16 * 1024 * 1024
"""Bytes of the thread's stack: twice what a thread has on most systems, and 128 times that of musl's."""

SWITCH = 0.0005
"""Seconds after which the thread gives way to the event loop; 0.005 is the interpreter's own, several times a frame."""


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


def giving_way(step: Callable[[A], T], argument: A) -> T:
    """Run a step on the thread while others, such as the event loop, get the interpreter's lock soon."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH)
    try:
        return step(argument)
    finally:
        sys.setswitchinterval(before)
