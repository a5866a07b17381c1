"""A script: a process asks, forks a worker as Celery's prefork pool does, and both ask again."""

import asyncio
import os
import sys
import threading
import time

import django
from django.db.models import F

django.setup()

from chat import ask  # noqa: E402 (what these import needs the apps)
from chat.assistants import hooks  # noqa: E402
from chat.db import kept, threads  # noqa: E402
from chat.engine import background  # noqa: E402
from chat.engine.engine import engines  # noqa: E402
from chat.events import Events  # noqa: E402
from chat.models import Process  # noqa: E402


def text_of(question):
    answer = ask("default", question)
    assert answer.status == "complete", answer
    return answer.text


def begin_to_write():
    """Return while a thread of the app's pool is in a transaction that writes, for a while."""
    begun = threading.Event()

    @threads.atomic
    def write():
        Process.objects.update(heartbeat_at=F("heartbeat_at"))
        begun.set()
        time.sleep(0.3)  # the transaction takes this long

    ((loop, _),) = engines()
    asyncio.run_coroutine_threadsafe(threads.in_database(write), loop)
    assert begun.wait(5)


def inherited():
    """Return what this process uses of its parent's, which would never answer here, or end the parent's sessions."""
    postgresql = sys.modules.get("django.db.backends.postgresql.base")
    pools = postgresql.DatabaseWrapper._connection_pools if postgresql else ()
    own = filter(None, (background._current, threads._pool))
    return [*engines(), *Events._running, *kept._wrappers, *own, *pools]


if __name__ == "__main__":
    first, *others = sys.argv[1:]
    said = [text_of(first)]
    assert len(inherited()) > 3
    for question, ends in zip(others[:-1], (os._exit, sys.exit), strict=True):
        begin_to_write()
        if (worker := os.fork()) == 0:
            assert inherited() == []
            assert hooks._pool is None
            print("worker", text_of(question), flush=True)  # noqa: T201 (read by the test)
            ends(0)
        assert os.waitpid(worker, 0)[1] == 0
    said.append(text_of(others[-1]))
    print("parent", *said)  # noqa: T201
