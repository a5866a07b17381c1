"""The tables of ``docs/performance.md``."""

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .measuring import Spread

PACKAGES = ("django", "channels", "uvicorn", "daphne", "uvloop", "openai", "msgspec", "fastapi")
NOTHING = "–"  # noqa: RUF001 - what a cell without a figure shows

INTRODUCTION = """# Performance

What an answer costs on the server, measured side by side with other ways to build the same thing. `make bench`
measures and writes this page; it takes at most 40 minutes. Compare the ratios of one run: another machine has other
microseconds.

## Conditions

{conditions}
- Each server runs on one core; the upstream model and the clients share another. All servers run during the whole
  benchmark, and all but the measured one are suspended.
- CPU is the user and system time of the server's process and its children, from the first connection to the last close:
  handshakes, turns and answers. That of the model, of the clients, of Redis and of PostgreSQL is not counted.
- Each question is asked on a new connection by another visitor. The questions of a crowd are asked at once.
- Figures are medians of rounds, with the smallest and the largest in brackets. The servers take turns in each round.
  Ratios are those of one round, and then their median.
- A figure is left out if the core of the upstream and the clients was busier than {limit:.0%} meanwhile, because it
  would then say more about them than about the server. {left_out}
- The plain consumer is an `AsyncWebsocketConsumer` of less than 30 lines (`benchmarks/plain`): one `AsyncOpenAI` per
  process, `stream=True`, one `send` per delta, its history in memory, no sessions, no storage, no resume. FastAPI and
  the AI SDK on Node do the same with server-sent events.
- The bare proxy (`benchmarks/bare_proxy`) passes deltas from protocol to protocol, without a framework. It is the floor
  if a token costs it at most 0.2 of what it costs the plain consumer; the first table says whether it does.
"""

REPEATING = """
## Repeating it

```sh
make bench                                       # everything, and this page
.venv/bin/python -m benchmarks --only cells      # one part, printed; --help lists them
.venv/bin/python -m benchmarks --quick           # a tiny load, printed, to see that everything works
make bench-quick                                 # CPU per turn and per delta, in less than a minute
```

Nothing else may run on the machine meanwhile. Node's server is only measured where node and npm are installed.
"""


@dataclass
class Table:
    """One table of the page, with a sentence or two before it."""

    title: str
    text: str
    header: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def written(self) -> str:
        """Return the section in Markdown."""
        lines = [f"## {self.title}", "", *([self.text, ""] if self.text else [])]
        lines += [_row(self.header), "|---" + "|---:" * (len(self.header) - 1) + "|", *map(_row, self.rows)]
        return "\n".join([*lines, *(["", *self.notes] if self.notes else []), ""])


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


Rounds = Sequence[float | None]
"""One value for each round, or ``None`` where the round was left out."""


def figure(rounds: Rounds, scale: float = 1.0) -> str:
    """Return the median of some rounds with the smallest and the largest, or a dash if there are none."""
    values = [value * scale for value in rounds if value is not None]
    if not values:
        return NOTHING
    spread = Spread.of(values)
    if len(values) == 1:
        return number(spread.median)
    return f"{number(spread.median)} ({number(spread.low)} to {number(spread.high)})"


def ratio(rounds: Rounds, base: Rounds) -> str:
    """Return the ratio to another server's figures, round by round."""
    return figure(ratios(rounds, base))


def ratios(rounds: Rounds, base: Rounds) -> list[float]:
    """Return the ratios of the rounds that both servers have."""
    return [value / other for value, other in zip(rounds, base, strict=False) if value is not None and other]


def number(value: float) -> str:
    """Return a number with three digits that matter."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}"


def page(tables: Sequence[Table], limit: float, left_out: Sequence[str], unmeasured: Sequence[str]) -> str:
    """Return the whole page."""
    counted = f"Left out in this run: {', '.join(left_out)}." if left_out else "In this run, none was left out."
    parts = [INTRODUCTION.format(conditions=conditions(), limit=limit, left_out=counted)]
    if unmeasured:
        parts.append(
            f"Not measured in this run, because its time was over or something was missing: {', '.join(unmeasured)}.\n"
        )
    return "\n".join([*parts, *(table.written() for table in tables)]) + REPEATING


def conditions() -> str:
    """Return what the run depends on, as a list in Markdown."""
    versions = ", ".join(f"{name} {found}" for name in PACKAGES if (found := _version(name)))
    return "\n".join(
        (
            f"- {time.strftime('%d %B %Y')}, {_processor()}, {os.cpu_count()} cores, {platform.system()}",
            f"- Python {sys.version.split()[0]}; {versions}{_node()}",
        )
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _node() -> str:
    """Return the versions of Node and of the AI SDK, where they are installed."""
    packages = Path(__file__).parent / "node" / "node_modules"
    if not shutil.which("node") or not packages.is_dir():
        return ""
    found = subprocess.run(["node", "--version"], stdout=subprocess.PIPE, text=True).stdout.strip()
    sdk = json.loads((packages / "ai" / "package.json").read_text())["version"]
    return f"; Node {found.removeprefix('v')}, ai {sdk}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
