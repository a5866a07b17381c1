"""Processes in the database: their rows, their heartbeats, and the answers that dead ones left running."""

import os
import socket
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import (
    BigIntegerField,
    Case,
    CharField,
    DateTimeField,
    ExpressionWrapper,
    IntegerField,
    Q,
    QuerySet,
    Value,
    When,
)
from django.db.models.functions import Cast, Now

from ..conf import conf
from ..models import Message, Process
from .answers import Written, interrupt
from .deletion import expired
from .threads import atomic


class Heartbeats(NamedTuple):
    """What the database has about a process and about the others, at the time of its heartbeat."""

    running: set[int]
    """The answers that run in this process, according to the database."""
    stopping: set[int]
    """Those of them that have been asked to stop, or whose conversation is deleted."""
    known: bool
    """Whether the process still had its row."""
    others: dict[str, datetime]
    """The heartbeats of all other processes, including dead ones."""
    clients: set[str]
    """Those of them that only ask."""
    expired: bool
    """Whether there are conversations whose deletion can no longer be undone."""


@atomic
def register(process: str, *, alone: bool, client: bool = False) -> int:
    """Write a process's row, and return how many running answers were ended.

    A process is ``alone`` if it shares no streams with others. It then ends every answer that still runs, as
    ``interrupted`` with the text of its last checkpoint, except those of clients: these may live. A ``client`` ends
    none.
    """
    ended = 0
    if alone and not client:
        ended = interrupt(list(_running().exclude(process__client=True).values_list("pk", flat=True)))
        Process.objects.filter(client=False).delete()
    _write_row(process, client)
    return ended


@atomic
def update_heartbeat(process: str, checkpoints: Iterable[Written], *, client: bool = False) -> Heartbeats:
    """Write a process's heartbeat and the checkpoints of its answers. If its row was removed, write it again."""
    known = bool(Process.objects.filter(pk=process).update(heartbeat_at=Now()))
    if not known:
        _write_row(process, client)
    mine = _running().filter(process_id=process)
    for written in checkpoints:
        mine.filter(pk=written.answer_id).update(**written.columns)
    return _heartbeats(process, mine, known)


def _heartbeats(process: str, mine: QuerySet[Message], known: bool) -> Heartbeats:
    """Read processes, this one's running answers and expired conversations with one query.

    A row of one kind leaves the columns of the others empty; that of expired conversations says only that there are
    some.
    """
    # Cast, because PostgreSQL takes a NULL without a type for text.
    no_answer = Cast(Value(None), BigIntegerField()), Cast(Value(None), IntegerField())
    no_heartbeat = Cast(Value(None), DateTimeField())
    asked = Case(When(Q(stopping=True) | Q(conversation__deleted_at__isnull=False), then=1), default=0)
    answers = mine.values_list("process_id", no_heartbeat, "pk", asked)
    nobody = Cast(Value(""), CharField(max_length=32))
    to_purge = expired().values_list(nobody, no_heartbeat, *no_answer).distinct()
    is_client = Case(When(client=True, then=1), default=0)
    processes = Process.objects.values_list("pk", "heartbeat_at", no_answer[0], is_client)
    running: set[int] = set()
    stopping: set[int] = set()
    others: dict[str, datetime] = {}
    clients: set[str] = set()
    is_expired = False
    for key, heartbeat_at, answer_id, flag in processes.union(answers, to_purge, all=True):
        if answer_id is not None:
            running.add(answer_id)
            stopping.update([answer_id] if flag else [])
        elif heartbeat_at is None:
            is_expired = True
        elif key != process:
            others[key] = heartbeat_at
            clients.update([key] if flag else [])
    return Heartbeats(running, stopping, known, others, clients, is_expired)


def is_any_alive() -> bool:
    """Tell whether an ASGI process of the site lives: one has sent a heartbeat within ``CHAT["PROCESS_TIMEOUT"]``."""
    return Process.objects.filter(heartbeat_at__gte=since()).exists()


def since() -> "ExpressionWrapper[Any]":
    """Return the time since which a process that lives has sent a heartbeat, by the database's clock."""
    return ExpressionWrapper(Now() - timedelta(seconds=conf.process_timeout), DateTimeField())


def carriers() -> dict[str, datetime]:
    """Return the heartbeats of the processes that running answers belong to."""
    named = _running().exclude(process=None).values("process")
    return dict(Process.objects.filter(pk__in=named).values_list("pk", "heartbeat_at"))


def abandoned(dead: Collection[str]) -> list[tuple[int, int]]:
    """Return the running answers whose process is one of the ``dead`` or has no row: primary keys, numbers of runs."""
    # The second condition joins the row, because the key alone does not show that the row exists.
    lost = Q(process__in=dead) | Q(process__pid=None)
    return list(_running().filter(lost).values_list("pk", "run"))


def prune(dead: Collection[str]) -> None:
    """Remove the rows of the ``dead`` processes that no running answer belongs to."""
    named = _running().exclude(process=None).values("process")
    Process.objects.filter(pk__in=dead).exclude(pk__in=named).delete()


def deregister(process: str) -> None:
    """Remove the row of a process that shuts down."""
    Process.objects.filter(pk=process).delete()


def _running() -> QuerySet[Message]:
    return Message.objects.filter(status=Message.Status.RUNNING)


def _write_row(process: str, client: bool) -> None:
    host, now = socket.gethostname()[:255], Now()
    Process.objects.create(id=process, host=host, pid=os.getpid(), started_at=now, heartbeat_at=now, client=client)
