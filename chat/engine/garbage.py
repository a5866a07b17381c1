"""Keeps full garbage collections short, because each of them holds up every answer of the process."""

import gc

from ..conf import conf

_frozen: list[bool] = []
"""Not empty once this process has done so."""


def exempt_startup() -> None:
    """Exempt what exists now from garbage collections, unless ``CHAT["GC_FREEZE"]`` is off. Once in a process.

    A server that has started holds some 200,000 objects, which stay until it ends. A full collection visits them all,
    for 140 ms (100 streams on one core), every few seconds under load.
    """
    if not conf.gc_freeze or _frozen:
        return
    _frozen.append(True)
    gc.collect()  # what is garbage already must not be kept
    gc.freeze()
