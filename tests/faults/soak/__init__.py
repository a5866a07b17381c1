"""A whole site for a long time: visitors chat, a part of it fails every 20 s, and what was promised is checked.

    python -m tests.faults.soak --minutes 30        what `make soak` does

Two processes of uvicorn on Redis and PostgreSQL, each behind a network that can be cut, with the scripted upstream as
their model. Times are those of a real site, but for ``PROCESS_TIMEOUT``: 10 s instead of 30, so that a dead process is
noticed well before the next fault.
"""
