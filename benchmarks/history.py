"""The cost of a turn in conversations of different lengths, which must be almost the same."""

import asyncio
import os
import subprocess
import sys

from .bench import Bench
from .clients import Meter, finished, visit
from .harness import ROOT, cpu, run, tell
from .measuring import new_name
from .report import Table, figure, ratio
from .servers import SUBJECTS, Running

LENGTHS = (1, 10, 100, 1000)
TURNS = 15
TOKENS = 3


def measure(bench: Bench) -> list[Table]:
    """Measure both formats, and return the table."""
    lengths, turns = ((1, 10), 2) if bench.quick else (LENGTHS, TURNS)
    header = ["format", *(title for n in lengths for title in (f"messages: {n}, ms", f"to {lengths[0]}"))]
    text = f"CPU of one turn of {TOKENS} tokens, handshake included, in a conversation that has this many messages."
    table = Table("Long conversations", text, header)
    tell(bench.upstream, f"pace/1000/{TOKENS}")
    for name in ("text", "html"):
        bench.warm(SUBJECTS[name])
        tell(bench.upstream, f"pace/1000/{TOKENS}")
        with bench.servers.only("site") as running:
            names = {(length, turn): new_name() for turn in range(turns) for length in lengths}
            seed(running, {name: length for (length, _), name in names.items()})
            costs = run(_turns(running, name, names))
        row = [f"{name} format"]
        for length in lengths:
            row += [figure(costs[length], 1e3), ratio(costs[length], costs[lengths[0]])]
        table.rows.append(row)
    return [table]


def seed(running: Running, wanted: dict[str, int]) -> None:
    """Store conversations of the site's first visitor with these numbers of messages."""
    words = [f"{name}={length}" for name, length in wanted.items()]
    command = [sys.executable, "-m", "benchmarks.conversations", running.cookies[0], *words]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **running.environment}, check=True)


async def _turns(running: Running, subject: str, names: dict[tuple[int, int], str]) -> dict[int, list[float]]:
    """Return the CPU seconds of each turn, by the length of its conversation; the lengths take turns."""
    costs: dict[int, list[float]] = {}
    for (length, _), conversation in names.items():
        used = cpu(running.process)
        visitor = await visit(SUBJECTS[subject].dialect, running.port, conversation, running.cookies[0], Meter())
        await finished(visitor, TOKENS)
        await asyncio.sleep(0.05)
        costs.setdefault(length, []).append(cpu(running.process) - used)
    return costs
