"""A conversation that is deleted, by whomever, in mid-answer or not: its answer stops, and open pages hear of it."""

import time
from typing import Any

from django.db import transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver

from ..models import Conversation
from ..protocol import Event
from .registry import Registry, registries


@receiver(post_delete, sender=Conversation, dispatch_uid="llm_chat.deletion")
def forget(instance: Conversation, using: str, **_: Any) -> None:
    """Once the deletion is committed, let the process give the answer up; other processes find out as they beat."""
    event = Event("deleted", instance.uid, "", time.time_ns() // 1_000_000)
    owner, answer = instance.owner, instance.running_id

    def tell(registry: Registry) -> None:
        if answer is not None:
            registry.disown(answer)
        registry.events.tell(owner, event)

    def spread() -> None:
        for loop, registry in registries():
            loop.call_soon_threadsafe(tell, registry)

    transaction.on_commit(spread, using=using)
