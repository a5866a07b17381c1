"""A process in the database: its row, its heartbeat, and the answers that dead ones left running."""

import os
import socket
from collections.abc import Iterable
from datetime import timedelta
from typing import NamedTuple

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from ..conf import conf
from ..database import atomic
from ..models import Message, Process
from ..store.answers import Written, interrupt

BURIAL = 20
"""The row of a dead process is removed after so many times ``CHAT["PROCESS_TIMEOUT"]``."""


class Beat(NamedTuple):
    """What a heartbeat found of the process that wrote it."""

    running: set[int]
    """The answers that run as its own."""
    stopping: set[int]
    """Those of them that a reader wants stopped."""
    known: bool
    """Whether its row was still there."""
    others: int
    """How many other processes are alive."""


@atomic
def enrol(process: str, *, alone: bool) -> int:
    """Write a process's row. One that is ``alone``, for it shares no logs, ends every answer that still runs.

    Returns how many answers were ended, each as ``interrupted`` with the text of its last checkpoint.
    """
    ended = 0
    if alone:
        ended = interrupt(list(_running().values_list("pk", flat=True)))
        Process.objects.all().delete()
    _write_row(process)
    return ended


@atomic
def beat(process: str, checkpoints: Iterable[Written]) -> Beat:
    """Write a process's heartbeat and what its answers hold so far. A row that somebody removed is written again."""
    known = bool(Process.objects.filter(pk=process).update(heartbeat_at=Now()))
    if not known:
        _write_row(process)
    mine = _running().filter(process_id=process)
    for written in checkpoints:
        mine.filter(pk=written.answer).update(**written.columns)
    found = dict(mine.values_list("pk", "stopping"))
    others = Process.objects.exclude(pk=process).filter(heartbeat_at__gte=_deadline()).count()
    return Beat(set(found), {answer for answer, stopping in found.items() if stopping}, known, others)


def abandoned() -> list[int]:
    """Running answers whose process is dead: its heartbeat, by the database's clock, is too old, or its row is gone."""
    dead = Q(process=None) | Q(process__heartbeat_at__lt=_deadline())
    return list(_running().filter(dead).values_list("pk", flat=True))


def bury() -> None:
    """Remove the rows of dead processes that no running answer names.

    They stay for a while: a process that only slept begins answers before its first heartbeat, and they name its row.
    """
    dead = Process.objects.filter(heartbeat_at__lt=_deadline(BURIAL))
    dead.exclude(pk__in=_running().exclude(process=None).values("process")).delete()


def withdraw(process: str) -> None:
    """Remove the row of a process that has ended its answers."""
    Process.objects.filter(pk=process).delete()


def _running() -> QuerySet[Message]:
    return Message.objects.filter(status=Message.Status.RUNNING)


def _deadline(times: int = 1) -> Now:
    """A process whose heartbeat is older is dead; or has been for so many times as long."""
    return Now() - timedelta(seconds=times * conf.process_timeout)  # type: ignore[return-value]


def _write_row(process: str) -> None:
    Process.objects.create(
        id=process, host=socket.gethostname()[:255], pid=os.getpid(), started_at=Now(), heartbeat_at=Now()
    )
