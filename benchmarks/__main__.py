"""``make bench``: this project beside other ways to build the same, in one run, written to ``docs/performance.md``.

``python -m benchmarks --only cells --only memory`` measures parts; ``--quick`` uses a tiny load, to see that all works.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

from . import capacity, cell_tables, databases, history, memory, readers, workers
from .bench import Bench
from .harness import ROOT, on_core, upstream
from .report import Table, page
from .servers import SUBJECTS, Cores, Servers, measured_here

PARTS: dict[str, Callable[[Bench], list[Table]]] = {
    "cells": cell_tables.measure,
    "capacity": capacity.measure,
    "memory": memory.measure,
    "readers": readers.measure,
    "workers": workers.measure,
    "history": history.measure,
    "databases": databases.measure,
}
WHOLE = 40 * 60
"""Seconds that everything may take."""

BUSY = 0.85
"""Share of the clients' core above which a figure is left out."""


def main() -> None:
    """Measure, and write the page."""
    args = arguments()
    cores = Cores.two()
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
    """Measure the parts one after the other, as long as there is time."""
    tables: list[Table] = []
    for name in names:
        if bench.left < 0:
            bench.unmeasured.append(name)
            continue
        began = time.monotonic()
        print(f"{name} ...", flush=True)
        tables += PARTS[name](bench)
        print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    return tables


def arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tiny load; the figures mean nothing")
    parser.add_argument("--only", action="append", choices=list(PARTS), help="measure this part only; can be repeated")
    parser.add_argument("--servers", nargs="+", choices=list(SUBJECTS), help="measure these servers only")
    parser.add_argument("--minutes", type=float, default=WHOLE / 60, help="no part begins after this time")
    parser.add_argument("--busy", type=float, default=BUSY, help="busy share of the clients' core that is allowed")
    parser.add_argument("--out", default=str(ROOT / "docs" / "performance.md"), help="the page; - prints it")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
