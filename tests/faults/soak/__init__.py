"""A soak test: visitors chat with a whole site, a part of it fails every 20 s, and all promises are checked.

    python -m tests.faults.soak --minutes 30        as `make soak` does

Two uvicorn processes run on Redis and PostgreSQL, each behind a network that can be cut, with the scripted upstream as
their model. Times are those of a real site, except for ``PROCESS_TIMEOUT``: 10 s instead of 30, so that a dead process
is noticed well before the next fault.
"""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatproject.settings")  # the app's sentences are marked with gettext
