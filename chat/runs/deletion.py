"""A conversation that is deleted, by whomever, in mid-answer or not: its answer stops, and open pages hear of it."""

from typing import Any

from django.db.models.signals import post_delete
from django.dispatch import receiver

from ..models import Conversation
from .telling import on_every_loop, tell


@receiver(post_delete, sender=Conversation, dispatch_uid="llm_chat.deletion")
def forget(instance: Conversation, using: str, **_: Any) -> None:
    """Once the deletion is committed, let the process give the answer up; other processes find out as they beat."""
    tell("deleted", instance, using=using)  # first, or the pages would hear of an answer that ends in nothing
    answer = instance.running_id
    if answer is not None:
        on_every_loop(lambda registry: registry.disown(answer), using=using)
