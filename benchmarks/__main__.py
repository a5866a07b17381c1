"""``make bench``: this project beside other ways to build the same, in one run, written to ``docs/performance.md``.

``python -m benchmarks --only cells --only memory`` measures parts; ``--quick`` uses a tiny load, to see that all works.
"""

import argparse
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from . import capacity, cell_tables, databases, history, memory, readers, workers
from .bench import Bench
from .harness import ROOT, on_core, upstream
from .report import Table, page
from .servers import SUBJECTS, Cores, Servers, measured_here

PARTS: dict[str, Callable[[Bench], list[Table]]] = {  # in the order of the page
    "cells": cell_tables.measure,
    "capacity": capacity.measure,
    "memory": memory.measure,
    "readers": readers.measure,
    "workers": workers.measure,
    "history": history.measure,
    "databases": databases.measure,
}
ORDER = ("memory", "readers", "workers", "history", "cells", "databases", "capacity")
"""The order of measuring: the parts that are surely short come before those that fill the time."""

WHOLE = 38.0
"""Minutes after which nothing new begins, so that everything takes at most 40."""

BUSY = 0.85
"""Share of the clients' core above which a figure is left out."""


def main() -> None:
    """Measure, and write the page."""
    args = arguments()
    cores = Cores.two()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends the servers, too
    chosen = [subject for subject in measured_here() if not args.servers or subject.name in args.servers]
    with on_core(cores.others), upstream(50, 50) as port, Servers(port, cores) as servers:
        bench = Bench(servers, port, cores, time.monotonic() + args.minutes * 60, args.busy, args.quick, chosen)
        bench.unmeasured += [SUBJECTS["node"].title] if SUBJECTS["node"] not in measured_here() else []
        written = page(measure(bench, args.only or list(PARTS)), args.busy, bench.left_out, bench.unmeasured)
    if args.out == "-":
        print(written)
    else:
        Path(args.out).write_text(written)
        print(f"Written: {args.out}")


def measure(bench: Bench, names: list[str]) -> list[Table]:
    """Measure the parts one after the other, as long as there is time, and return their tables in the page's order."""
    found: dict[str, list[Table]] = {}
    for name in sorted(names, key=ORDER.index):
        if bench.left < 0:
            bench.unmeasured.append(name)
            continue
        began = time.monotonic()
        print(f"{name} ...", flush=True)
        try:
            found[name] = PARTS[name](bench)
        except Exception:  # the other parts are worth their time
            traceback.print_exc()
            bench.unmeasured.append(name)
        print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    return [table for name in PARTS for table in found.get(name, [])]


def arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tiny load; the figures mean nothing")
    parser.add_argument("--only", action="append", choices=list(PARTS), help="measure this part only; can be repeated")
    parser.add_argument("--servers", nargs="+", choices=list(SUBJECTS), help="measure these servers only")
    parser.add_argument("--minutes", type=float, default=WHOLE, help="nothing new begins after this time")
    parser.add_argument("--busy", type=float, default=BUSY, help="busy share of the clients' core that is allowed")
    parser.add_argument(
        "--out", help="write the page here; - prints it, which is the default for a part or a tiny load"
    )
    args = parser.parse_args()
    partial = args.quick or args.only or args.servers
    args.out = args.out or ("-" if partial else str(ROOT / "docs" / "performance.md"))
    return args


if __name__ == "__main__":
    sys.exit(main())
