"""What a process does about the answers of processes that are gone."""

import os
import socket

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from ..models import Conversation, Message, Process


@transaction.atomic
def enrol(process: str) -> int:
    """Write a process's row and, as logs in memory have one process only, end every answer that still runs.

    Returns how many answers were ended, each as ``interrupted`` with the text of its last checkpoint.
    """
    left = Message.objects.filter(status=Message.Status.RUNNING)
    ended = left.update(status=Message.Status.INTERRUPTED, error="interrupted", process=None, ended_at=timezone.now())
    Conversation.objects.filter(running__isnull=False).update(running=None)
    Process.objects.all().delete()
    Process.objects.create(
        id=process, host=socket.gethostname()[:255], pid=os.getpid(), started_at=Now(), heartbeat_at=Now()
    )
    return ended


def withdraw(process: str) -> None:
    """Remove the row of a process that has ended its answers."""
    Process.objects.filter(pk=process).delete()
