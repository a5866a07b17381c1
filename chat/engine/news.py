"""What the process tells an owner's open pages of their conversations."""

import time

from ..events import Events
from ..models import Conversation, Message
from ..sockets.sent import Event


class News:
    """Events with the versions that order them; all methods are called on the process's event loop."""

    def __init__(self, events: Events) -> None:
        self._events = events

    def started(self, conversation: Conversation, answer: Message) -> None:
        """An answer has begun, and with the first one the conversation."""
        event = Event("run-started", conversation.uid, answer.uid, version(), conversation.title)
        self._events.tell(conversation.owner, event)

    def ended(self, answer: Message) -> None:
        """An answer has ended, however it did."""
        conversation = answer.conversation
        self._events.tell(conversation.owner, Event("run-ended", conversation.uid, answer.uid, version()))

    def titled(self, owner: str, uid: str, title: str) -> None:
        """A conversation has another title."""
        self._events.tell(owner, Event("title", uid, "", version(), title))

    def turned(self, owner: str, uid: str, last: Message) -> None:
        """A conversation shows another branch, which ends in the message ``last``."""
        self._events.tell(owner, Event("branch", uid, last.uid, version()))

    def read(self, owner: str, uid: str) -> None:
        """Nothing in a conversation is unread any more."""
        self._events.tell(owner, Event("read", uid, "", version()))


_latest = 0


def version() -> int:
    """Return a number that grows with each event, whichever process tells it: milliseconds of the time of day.

    A process whose clock is set back goes on counting from the latest number that it gave.
    """
    global _latest
    _latest = max(_latest + 1, time.time_ns() // 1_000_000)
    return _latest
