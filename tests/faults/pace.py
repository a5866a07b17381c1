"""The time scale of the fault tests: a twentieth of real time, or real time with ``FAULTS_REAL_TIME=1``."""

import os
import random
from typing import Any

REAL_TIME = os.environ.get("FAULTS_REAL_TIME") == "1"
SEED = int(os.environ.get("FAULTS_SEED") or random.SystemRandom().randrange(10**6))
"""The seed of all random choices in a run. Pytest's header prints it; set ``FAULTS_SEED`` to repeat a run."""


def seconds(real: float) -> float:
    """Convert seconds on a real site to the time scale of this run."""
    return real if REAL_TIME else real / 20


def rounds(few: int, whole: int) -> int:
    """Return the number of repetitions: ``few`` in ``make test-sites``, ``whole`` in ``make test-faults``."""
    return whole if REAL_TIME else few


def longer(alone: float, shared: float) -> float:
    """Return the bound on a delay, in seconds: ``shared`` where the tests may run beside others, else ``alone``."""
    return alone if REAL_TIME else shared


SHARED = ["redis-postgres", "redis-sqlite"] if REAL_TIME else ["redis-postgres"]
"""The topologies with several processes. SQLite is left to the full run, except where it matters."""

SHARED_ON_SQLITE = ["redis-postgres", "redis-sqlite"] if REAL_TIME else ["redis-sqlite"]
"""The same topologies for tests that always need SQLite, where a process's clock is also its database's."""

GRACE = max(seconds(20.0), 3.0)
"""The grace period. Answers of two fifths of it last 8 s at full scale, and 0.4 s otherwise."""

MODEL_DEADLINE = max(seconds(30.0), 4.0)
"""The deadlines of the process that the model-side tests share; some of them wait for it."""


def chance(*salt: object) -> random.Random:
    """Return a random generator that is the same for the same seed and salt."""
    return random.Random(f"{SEED} {salt}")


def chat() -> dict[str, Any]:
    """Return the timings for the site's ``CHAT`` setting. Deadlines leave room for a busy machine."""
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
        # A test asks a hundred questions at once; test_attacks.py and tests/engine/test_limits.py test limits.
        "FRAME_RATE": 1_000.0,
        "MAX_SOCKETS_PER_OWNER": 10_000,
        "MAX_RUNNING_PER_OWNER": 10_000,
        "MAX_CONVERSATIONS_PER_VISITOR": 100_000,
    }
