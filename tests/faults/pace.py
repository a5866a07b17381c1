"""How long the tests of faults take: a twentieth of real time, or with ``FAULTS_REAL_TIME=1`` all of it."""

import os
import random
from typing import Any

REAL_TIME = os.environ.get("FAULTS_REAL_TIME") == "1"
SEED = int(os.environ.get("FAULTS_SEED") or random.SystemRandom().randrange(10**6))
"""Where the chances of a run begin; pytest's header prints it, ``FAULTS_SEED`` repeats it."""


def seconds(real: float) -> float:
    """A time of the real site, at the scale of this run."""
    return real if REAL_TIME else real / 20


def rounds(few: int, whole: int) -> int:
    """How often something is tried: few times in ``make test``, as often as promised in ``make test-faults``."""
    return whole if REAL_TIME else few


def longer(alone: float, shared: float) -> float:
    """A bound on delays, in s: ``shared`` where the tests may run beside others on a busy machine."""
    return alone if REAL_TIME else shared


SHARED = ["redis-postgres", "redis-sqlite"] if REAL_TIME else ["redis-postgres"]
"""The topologies of several processes. What SQLite adds to them is left to the whole run, but for where it matters."""

SHARED_ON_SQLITE = ["redis-postgres", "redis-sqlite"] if REAL_TIME else ["redis-sqlite"]
"""The same where SQLite is what matters: there a process's clock is its database's as well."""

GRACE = max(seconds(20.0), 3.0)
"""For answers that take two fifths of it at full scale, and at any other no more than half a second."""

MODEL_DEADLINE = max(seconds(30.0), 4.0)
"""Of the process that the tests of the model's side share, some of which wait for it."""


def chance(*salt: object) -> random.Random:
    """Chances that are the same for the same seed and salt."""
    return random.Random(f"{SEED} {salt}")


def chat() -> dict[str, Any]:
    """The times of the site's ``CHAT`` setting. Deadlines keep room for a machine that is busy."""
    return {
        "TICK": max(seconds(0.06), 0.004),
        "HEARTBEAT": max(seconds(2.0), 0.2),
        "PROCESS_TIMEOUT": seconds(30.0),
        "GRACE_PERIOD": GRACE,
        "FIRST_TOKEN_TIMEOUT": max(seconds(120.0), 10.0),
        "DELTA_TIMEOUT": max(seconds(30.0), 10.0),
        "RETRY_WAIT": seconds(0.5),
        "RETRY_AFTER_MAX": seconds(5.0),
        "STREAM_RETENTION": max(seconds(60.0), 30.0),
        "REDIS_TIMEOUT": max(seconds(2.0), 0.5),
        "SAVE_TIMEOUT": seconds(30.0),
        # A test asks a hundred questions at once; test_attacks.py has the limits that sites have.
        "FRAME_RATE": 1_000.0,
        "MAX_SOCKETS_PER_OWNER": 10_000,
    }
