"""The project's own settings for the benchmarks: as they are, or with Django's defaults for the database.

``BENCH_FOREIGN`` sets ``CONN_MAX_AGE`` to Django's 0, as on a site that has not changed it, and leaves psycopg's pool
out. ``BENCH_SOCKETS`` raises the number of sockets of one visitor.
"""

import os

from chatproject.settings import *  # noqa: F403
from chatproject.settings import CHAT, DATABASES

if os.environ.get("BENCH_FOREIGN"):
    DATABASES["default"]["CONN_MAX_AGE"] = 0
    DATABASES["default"]["OPTIONS"].pop("pool", None)

if "BENCH_SOCKETS" in os.environ:
    CHAT["MAX_SOCKETS_PER_OWNER"] = int(os.environ["BENCH_SOCKETS"])

# The visitors of a benchmark are few, and ask more than people do.
CHAT |= {"MAX_RUNNING_PER_OWNER": 100_000, "MAX_CONVERSATIONS_PER_VISITOR": 1_000_000}
