"""A process in the database: its row, its heartbeat, and the answers that it or an earlier one left running."""

import os
import socket
from collections.abc import Collection, Iterable
from typing import NamedTuple

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from ..models import Conversation, Message, Process
from ..store.answers import Written


class Beat(NamedTuple):
    """What a heartbeat found: the answers that run as this process's, and whether its row was still there."""

    running: set[int]
    known: bool


@transaction.atomic
def enrol(process: str) -> int:
    """Write a process's row and, as logs in memory have one process only, end every answer that still runs.

    Returns how many answers were ended, each as ``interrupted`` with the text of its last checkpoint.
    """
    ended = _interrupt(Message.objects.filter(status=Message.Status.RUNNING))
    Process.objects.all().delete()
    _write_row(process)
    return ended


@transaction.atomic
def beat(process: str, checkpoints: Iterable[Written]) -> Beat:
    """Write a process's heartbeat and what its answers hold so far. A row that somebody removed is written again."""
    known = bool(Process.objects.filter(pk=process).update(heartbeat_at=Now()))
    if not known:
        _write_row(process)
    mine = Message.objects.filter(status=Message.Status.RUNNING, process_id=process)
    for written in checkpoints:
        mine.filter(pk=written.answer).update(**written.columns)
    return Beat(set(mine.values_list("pk", flat=True)), known)


@transaction.atomic
def interrupt(process: str, answers: Collection[int]) -> int:
    """End answers that run as the process's but that nobody makes."""
    return _interrupt(Message.objects.filter(pk__in=answers, status=Message.Status.RUNNING, process_id=process))


def withdraw(process: str) -> None:
    """Remove the row of a process that has ended its answers."""
    Process.objects.filter(pk=process).delete()


def _interrupt(running: QuerySet[Message]) -> int:
    answers = list(running.values_list("pk", flat=True))
    status = Message.Status.INTERRUPTED
    ended = running.update(status=status, error="interrupted", process=None, ended_at=timezone.now())
    Conversation.objects.filter(running__in=answers).update(running=None)
    return ended


def _write_row(process: str) -> None:
    Process.objects.create(
        id=process, host=socket.gethostname()[:255], pid=os.getpid(), started_at=Now(), heartbeat_at=Now()
    )
