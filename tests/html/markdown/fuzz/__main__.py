"""Runs the fuzz from the command line."""

import argparse
import sys
import time
from random import Random, SystemRandom

from tests.html.markdown.fuzz.constructs import hostile_text
from tests.html.markdown.fuzz.isolated import Outcome, outcome

SLOW = 5 * 0.05
"""Seconds of CPU time that the engine may take for 10,000 characters: five times its target, to allow for load."""


def main() -> int:
    """Render texts until the time or their number is up; return 1 if one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.html.markdown.fuzz")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long at most (default: %(default)s)")
    parser.add_argument("--texts", type=int, default=1_000_000, help="how many texts at most")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10**9), help="the first text's seed")
    arguments = parser.parse_args()
    print(f"fuzz: the first seed is {arguments.seed}", flush=True)
    deadline = time.monotonic() + arguments.seconds
    rendered = plain = wrong = 0
    for seed in range(arguments.seed, arguments.seed + arguments.texts):
        if time.monotonic() > deadline:
            break
        text = hostile_text(Random(seed))
        found = outcome(text)
        rendered += 1
        plain += found.plain
        if problem := problem_of(text, found):
            wrong += 1
            print(f"fuzz: seed {seed}, {len(text)} characters: {problem}; it begins with {text[:60]!r}", flush=True)
    print(f"fuzz: {rendered} texts, {plain} of them as plain text, {wrong} failed")
    return 1 if wrong or not rendered else 0


def problem_of(text: str, found: Outcome) -> str:
    """Describe what went wrong with a text; empty if nothing did."""
    if found.died:
        return f"its process ended with {found.died}"
    if found.engine > SLOW * max(1, len(text) / 10_000):
        return f"the engine took {found.engine:.2f} s"
    return f"lost {found.lost!r}" if found.lost else ""


if __name__ == "__main__":
    sys.exit(main())
