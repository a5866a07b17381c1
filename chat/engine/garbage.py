"""Makes full garbage collections rare and short, because each of them holds up every answer of the process."""

import gc

from ..conf import conf

FULL = 200
"""How many collections of the middle generation come before a full one; Python's own default is 10.

With 300 streams on one core, one came every 2 s, and took 0.15 s. At 50, one came every 9 s with 400 streams, which
still made more than 1 % of the tokens late. Turns leave nothing that needs one (``tests/test_turn_costs.py``).
"""

_tuned: list[bool] = []
"""Not empty once this process has done so."""


def tune() -> None:
    """Make full collections rare, and exempt what exists now from them, unless ``CHAT["GC_TUNING"]`` is off.

    A server that has started holds some 200,000 objects, which stay until it ends. A full collection visits them all,
    for 140 ms (100 streams on one core). Only the first call in a process does anything.
    """
    if not conf.gc_tuning or _tuned:
        return
    _tuned.append(True)
    gc.collect()  # what is garbage already must not be kept
    gc.freeze()
    young, middle, full = gc.get_threshold()
    gc.set_threshold(young, middle, max(full, FULL))
