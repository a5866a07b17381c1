"""Moves a visitor's conversations to an account, and informs the pages and the processes that it concerns."""

from ..db import merging
from ..events import PROCESSES, Event, Events
from ..owners import Owner


def merge(visitor: Owner, account: Owner) -> None:
    """Move what ``db.merging`` allows. On any thread. Raises ``django.db.Error``."""
    merged = merging.merge(visitor, account)
    for before, conversation in merged.renamed.items():
        Events.publish_from_thread(account.key, Event.moved(before, conversation.uid))
    for conversation in (*merged.renamed.values(), *merged.moved):
        if conversation.running is not None:
            Events.publish_from_thread(PROCESSES, Event.run_moved(conversation, conversation.running))
    for conversation in merged.moved:
        Events.publish_from_thread(account.key, Event.restored(conversation))
        if conversation.running is not None:
            Events.publish_from_thread(account.key, Event.started(conversation, conversation.running))
