"""Leaves to the parent what a forked process inherits, such as a worker of Celery's: threads, event loops, connections.

A thread runs only in the parent, so a pool or a loop of the parent's would never answer here. Their objects must not be
destroyed here either: that would end the parent's sessions with its servers.
"""

import os
from collections.abc import Callable
from typing import Any

_inherited: list[Any] = []
"""The objects of the parent, which stay alive and unused."""


def after_fork(forget: Callable[[], Any]) -> None:
    """Call ``forget`` in each process that is forked from this one.

    Args:
        forget: makes a module forget its objects, and returns them.
    """
    os.register_at_fork(after_in_child=lambda: _inherited.append(forget()))
