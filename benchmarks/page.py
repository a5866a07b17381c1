"""The browser's cost of a long answer: 50,000 characters in 10,000 deltas over 20 s, then with a CPU 4 times slower.

``make bench-page``; ``python -m benchmarks.page --seconds 10 --length 25000`` for other loads. Server and browser share
the machine. Times are those of the page's main thread as Chromium counts them; frames are those of the display, 60 per
second, as ``requestAnimationFrame`` sees them.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import NamedTuple

from playwright.sync_api import CDPSession, Page

from .browsing import browser_page
from .harness import ROOT, server

HZ = 60
MAX_TASK, MAX_GAP, MIN_FRAMES = 2.5, 0.05, 1100 / 1200

FRAMES = """() => {
    window.frames_ = [];
    const note = (time) => { frames_.push(time); requestAnimationFrame(note); };
    requestAnimationFrame(note);
}"""
COUNTERS = {
    "task": "TaskDuration",
    "script": "ScriptDuration",
    "style": "RecalcStyleDuration",
    "layout": "LayoutDuration",
}


class Figures(NamedTuple):
    """Seconds of the main thread, frames shown and possible, and the longest gap between two frames in seconds."""

    times: dict[str, float]
    frames: int
    possible: int
    gap: float


@contextmanager
def site(seconds: float, length: int) -> Iterator[str]:
    """Run the chat's own site on a new database, with a model that writes the long answer."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            "DATA_DIR": folder,
            "DATABASE_URL": f"sqlite:///{folder}/bench.sqlite3",
            "DJANGO_SETTINGS_MODULE": "benchmarks.paced",
            "PACED_SECONDS": str(seconds),
            "PACED_LENGTH": str(length),
        }
        migrate = [sys.executable, "manage.py", "migrate", "-v", "0"]
        subprocess.run(migrate, cwd=ROOT, env={**os.environ, **environment}, check=True)
        with server("chatproject.asgi:application", **environment) as (port, _):
            yield f"http://127.0.0.1:{port}/chat/"


def counters(session: CDPSession) -> dict[str, float]:
    """Return the main thread's seconds so far."""
    metrics = {metric["name"]: metric["value"] for metric in session.send("Performance.getMetrics")["metrics"]}
    return {name: metrics[counter] for name, counter in COUNTERS.items()}


def measure(page: Page, url: str, seconds: float, slowdown: float) -> Figures:
    """Measure one answer in a new conversation, from its first word to its end."""
    page.goto(url)
    page.wait_for_selector("llm-chat-connection[connected]", state="attached")
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    session.send("Emulation.setCPUThrottlingRate", {"rate": slowdown})
    page.evaluate(FRAMES)
    composer = page.get_by_label("Message", exact=True)
    composer.fill("Why is the sky blue?")
    composer.press("Enter")
    page.wait_for_selector("llm-chat-part", state="attached")
    before, began = counters(session), page.evaluate("frames_.length")
    page.wait_for_selector("article[data-status=complete][data-role=assistant]", timeout=(seconds + 60) * 1000)
    after, times = counters(session), page.evaluate("frames_")[began:]
    session.detach()
    gaps = [(later - earlier) / 1000 for earlier, later in pairwise(times)]
    return Figures(
        {name: after[name] - before[name] for name in COUNTERS},
        len(times) - 1,
        round((times[-1] - times[0]) / 1000 * HZ),
        max(gaps),
    )


def row(name: str, figures: Figures) -> str:
    """Return a line of the table."""
    times = "".join(f"{seconds:8.2f}" for seconds in figures.times.values())
    return f"{name:16}{times}   {figures.frames:6} of {figures.possible}{figures.gap * 1000:11.0f} ms"


def verdict(name: str, value: str, met: bool) -> str:
    """Return a line with a target, the measured value, and whether the target was met."""
    return f"{'met ' if met else 'MISSED'}  {name}: {value}"


def main() -> int:
    """Measure both runs and print the targets; return 1 if one is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="length of the answer in time")
    parser.add_argument("--length", type=int, default=50_000, help="length of the answer in characters; a delta has 5")
    args = parser.parse_args()
    print(f"{args.length} characters in {args.length // 5} deltas over {args.seconds:g} s; seconds of the main thread:")
    print(f"{'':16}{''.join(f'{name:>8}' for name in COUNTERS)}   {'frames':>14}{'longest gap':>14}")
    with site(args.seconds, args.length) as url, browser_page() as page:
        plain = measure(page, url, args.seconds, 1)
        print(row("as it is", plain))
        slow = measure(page, url, args.seconds, 4)
        print(row("slowed 4 times", slow))
    share, limit = slow.frames / slow.possible, MAX_TASK * args.seconds / 20
    targets = [
        (f"main thread under {limit:g} s", f"{plain.times['task']:.2f} s", plain.times["task"] < limit),
        ("no gap over 50 ms", f"{plain.gap * 1000:.0f} ms", plain.gap <= MAX_GAP),
        ("slowed, 1,100 frames of 1,200", f"{share * 1200:.0f}", share >= MIN_FRAMES),
    ]
    for target in targets:
        print(verdict(*target))
    return 0 if all(met for _, _, met in targets) else 1


if __name__ == "__main__":
    sys.exit(main())
