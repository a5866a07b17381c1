"""The branches of a conversation: which one it shows, and which stretch of it a page gets.

No function but ``whole`` loads more messages than a page shows at once; further up a branch, only keys are read.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from django.db.models import F, Q

from ..errors import Refusal
from ..models import Conversation, Message
from ..owners import Owner
from .conversations import own
from .threads import atomic

WINDOW = 60
"""How many messages of a branch (30 turns) a page gets at first, and each time it asks for earlier ones."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Messages of one branch, in order.

    ``after`` is the ``uid`` of the message that the first one follows. If it is ``None``, the first one comes first on
    the page, and ``earlier`` says whether the branch has older messages.
    """

    messages: Sequence[Message] = ()
    after: str | None = None
    earlier: bool = False

    def since(self, place: int) -> "Stretch":
        """Return the messages from the index ``place`` on, for a page that shows those before it."""
        return Stretch(self.messages[place:], self.messages[place - 1].uid) if place else self


def tip_window(owner: Owner, uid: str) -> Stretch:
    """Return the last messages of the branch that a conversation shows; none if the owner has no such conversation."""
    conversation = own(owner, uid)
    return _window(conversation, conversation.tip_id) if conversation else Stretch()


def whole(conversation: Conversation) -> list[Message]:
    """Return all messages of the branch that a conversation shows, in order: for paper, files and shared copies."""
    keys = [pk for pk, _parent in conversation.lineage(conversation.tip_id)]
    found = conversation.message_set.in_bulk(keys)
    return [found[pk] for pk in reversed(keys) if pk in found]


def earlier(owner: Owner, uid: str, message: str) -> Stretch:
    """Return the messages before one, on whichever branch it is. Raises ``Refusal`` if the owner has no such one."""
    conversation = own(owner, uid)
    first = conversation.message_set.filter(uid=message).first() if conversation else None
    if conversation is None or first is None:
        raise Refusal("not_found")
    return _window(conversation, first.parent_id)


def unseen(owner: Owner, uid: str, shown: str | None, status: str = "") -> Stretch:
    """Return the messages a page is missing, starting at the first one it lacks or shows in an outdated state.

    A page that shows another branch gets the messages after the last one that both branches share. A running answer is
    always included, because the page has yet to follow it.

    Args:
        owner: the visitor.
        uid: the ``uid`` of the conversation.
        shown: the ``uid`` of the last message that the page shows; ``None`` if it shows none.
        status: the status that the page shows for that message.

    Raises:
        Refusal: the page shows a conversation that no longer exists.
    """
    conversation = own(owner, uid)
    window = _window(conversation, conversation.tip_id) if conversation else Stretch()
    if conversation is None or not window.messages:
        if shown is not None:
            raise Refusal("gone")
        return window
    place = _first_unseen(conversation, window, shown, status)
    if window.messages[-1].status == Message.Status.RUNNING:
        place = min(place, len(window.messages) - 1)
    return window.since(place)


def below(conversation: Conversation, first: Message, last: Message) -> Stretch:
    """Return the messages that a conversation shows from ``first`` on, but at most its last window.

    If ``first`` is on a branch that is not shown, return it and its child ``last``.
    """
    for pk, _parent in conversation.lineage(conversation.tip_id):
        if pk > first.pk:
            continue
        if pk < first.pk:
            break
        window = _window(conversation, conversation.tip_id)
        return window.since(_places(window).get(pk, 0))
    return pair(conversation, first, last)


def pair(conversation: Conversation, first: Message, last: Message) -> Stretch:
    """Return a message and its child, or only the message if both are the same."""
    uids = conversation.message_set.values_list("uid", flat=True)
    after = None if first.parent_id is None else uids.get(pk=first.parent_id)
    return Stretch(_with_siblings([first] if first == last else [first, last]), after)


@atomic
def select(owner: Owner, uid: str, message: str) -> Stretch:
    """Make a conversation show the newest branch that a message is on, and return it from that message on.

    Raises ``Refusal`` if the owner has no such message, or while an answer runs in the conversation.
    """
    mine = owner.conversations.filter(uid=uid)
    mine.update(tip=F("tip"))  # a transaction that begins with a write: see turns.py
    conversation = mine.first()
    chosen = conversation.message_set.filter(uid=message).first() if conversation else None
    if conversation is None or chosen is None:
        raise Refusal("not_found")
    if conversation.running_id is not None:
        raise Refusal("busy")
    conversation.tip_id = conversation.newest_under(chosen.pk)
    mine.update(tip=conversation.tip_id)
    return below(conversation, chosen, chosen)


def _window(conversation: Conversation, last: int | None) -> Stretch:
    """Return the last messages of the branch that ends in ``last``; if it has more, they begin with a question."""
    keys = [pk for pk, _parent in islice(conversation.lineage(last), WINDOW + 1)]
    found = conversation.message_set.select_related("feedback").in_bulk(keys[:WINDOW])
    messages = [found[pk] for pk in reversed(keys[:WINDOW]) if pk in found]
    if len(keys) <= WINDOW:
        return Stretch(_with_siblings(messages))
    whole = next((place for place, message in enumerate(messages) if message.role == Message.Role.USER), 0)
    return Stretch(_with_siblings(messages[whole:]), earlier=True)


def _with_siblings(messages: list[Message]) -> list[Message]:
    """Set the ``siblings`` of each message, by one query, and return the messages."""
    parents = {message.parent_id for message in messages}
    places = Q(parent__in=parents - {None})
    if None in parents:
        places |= Q(parent=None, conversation=messages[0].conversation_id)
    found: defaultdict[tuple[int | None, str], list[str]] = defaultdict(list)
    for parent, role, uid in Message.objects.filter(places).order_by("pk").values_list("parent_id", "role", "uid"):
        found[parent, role].append(uid)
    for message in messages:
        message.siblings = tuple(found[message.parent_id, message.role])
    return messages


def _first_unseen(conversation: Conversation, window: Stretch, shown: str | None, status: str) -> int:
    """Return the index of the first message that a page lacks or shows in an older state.

    To find the last message that the page shares with the window, the keys of the page's branch are followed up to
    the window's beginning. The index is 0 if the branches part above it.
    """
    if shown is None:
        return 0
    last = conversation.message_set.filter(uid=shown).values_list("pk", flat=True).first()
    places = _places(window)
    if last in places:
        return places[last] + (window.messages[places[last]].status == status)
    for pk, _parent in conversation.lineage(last):
        if pk in places:
            return places[pk] + 1
        if pk < window.messages[0].pk:
            break
    return 0


def _places(window: Stretch) -> dict[int, int]:
    return {message.pk: place for place, message in enumerate(window.messages)}
