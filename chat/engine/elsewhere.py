"""Tells open pages what other processes write for their visitors, where only the database connects the processes."""

from datetime import timedelta

from django.utils import timezone
from msgspec.structs import replace

from ..db.conversations import updated
from ..db.threads import in_database
from ..events import Event, Events
from ..models import Conversation, Message
from ..streams.base import StreamKey, Streams

OVERLAP = timedelta(seconds=10)
"""How far a look goes back beyond the last one: a time is that of the process that has written it."""


class Elsewhere:
    """The conversations of visitors with open sockets, as the last look found them."""

    def __init__(self, events: Events, streams: Streams) -> None:
        self._events = events
        self._streams = streams
        self._since = timezone.now()
        self._seen: dict[int, tuple[int, int, str]] = {}

    async def look(self) -> None:
        """Publish an event for each answer and message of another process that is new. Raises ``django.db.Error``."""
        owners, now = self._events.owners, timezone.now()
        found = await in_database(updated, self._since) if owners else []
        before, self._seen = self._seen, {}
        for conversation in found:
            tip = conversation.tip
            if tip is None:
                continue
            state = self._seen[conversation.pk] = (tip.pk, tip.run, tip.status)
            if conversation.owner in owners and before.get(conversation.pk) != state and self._is_elsewhere(tip):
                self._publish(conversation, tip)
        self._since = now - OVERLAP

    def _is_elsewhere(self, tip: Message) -> bool:
        return tip.role == Message.Role.ASSISTANT and self._streams.get(StreamKey(tip.pk, tip.run)) is None

    def _publish(self, conversation: Conversation, tip: Message) -> None:
        tip.conversation = conversation
        time = conversation.updated_at.timestamp()  # up to OVERLAP ago, and lists are sorted by it
        self._events.publish(conversation.owner, replace(Event.started(conversation, tip), updated=time))
        if tip.status == Message.Status.RUNNING:
            return
        # Otherwise lists would show it as running.
        self._events.publish(conversation.owner, replace(Event.ended(tip), updated=time))
        if not conversation.unread:
            self._events.publish(conversation.owner, Event.read(conversation.uid))
