"""Branches of a conversation's tree: the stretch of one that a page shows, and which one a conversation shows.

Nothing here loads more texts than a page shows; further up a branch only keys are read.
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
"""So many messages of a branch, 30 turns, are shown at first, and each time that earlier ones are asked for."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Messages of one branch, in order.

    The first one stands behind the message ``after``; where that is ``None``, it is the first that a page shows, and
    ``earlier`` says whether the branch has older ones.
    """

    messages: Sequence[Message] = ()
    after: str | None = None
    earlier: bool = False

    def since(self, place: int) -> "Stretch":
        """What of it stands from ``place`` on, for a page that shows what stands before."""
        return Stretch(self.messages[place:], self.messages[place - 1].uid) if place else self


def latest(owner: Owner, uid: str) -> Stretch:
    """The end of the branch that one of the owner's conversations shows; nothing where they have none by that id."""
    conversation = own(owner, uid)
    return _window(conversation, conversation.tip_id) if conversation else Stretch()


def earlier(owner: Owner, uid: str, message: str) -> Stretch:
    """What stands before a message, on whichever branch that is. Raises ``Refusal``."""
    conversation = own(owner, uid)
    first = conversation.message_set.filter(uid=message).first() if conversation else None
    if conversation is None or first is None:
        raise Refusal("not_found")
    return _window(conversation, first.parent_id)


def unseen(owner: Owner, uid: str, shown: str | None, status: str = "") -> Stretch:
    """Return the messages a page is missing, starting at the first one it lacks or shows in an outdated state.

    ``shown`` is the last message that the page shows, and ``status`` the status it shows there.

    A page that shows another branch gets what stands behind the last message that both have in common. Raises
    ``Refusal`` where the page shows a conversation that is no longer there.
    """
    conversation = own(owner, uid)
    window = _window(conversation, conversation.tip_id) if conversation else Stretch()
    if conversation is None or not window.messages:
        if shown is not None:
            raise Refusal("gone")
        return window
    place = _first_unseen(conversation, window, shown, status)
    if window.messages[-1].status == Message.Status.RUNNING:  # a page that shows it has yet to follow it
        place = min(place, len(window.messages) - 1)
    return window.since(place)


def below(conversation: Conversation, first: Message, last: Message) -> Stretch:
    """What a conversation shows from ``first`` on, of a long branch its end, as a page that is opened shows it.

    Where ``first`` is on another branch: that and its child ``last``.
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
    """A message and its child, or one alone, behind the message that the first one follows."""
    uids = conversation.message_set.values_list("uid", flat=True)
    after = None if first.parent_id is None else uids.get(pk=first.parent_id)
    return Stretch(_with_siblings([first] if first == last else [first, last]), after)


@atomic
def select(owner: Owner, uid: str, message: str) -> Stretch:
    """Show the newest branch that a message is on, from that message on, and remember it. Raises ``Refusal``."""
    mine = Conversation.objects.of(owner).filter(uid=uid)
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
    """The messages that end in ``last``, whole turns where there are more of them."""
    keys = [pk for pk, _parent in islice(conversation.lineage(last), WINDOW + 1)]
    found = Message.objects.select_related("feedback").in_bulk(keys[:WINDOW])
    messages = [found[pk] for pk in reversed(keys[:WINDOW]) if pk in found]
    if len(keys) <= WINDOW:
        return Stretch(_with_siblings(messages))
    whole = next((place for place, message in enumerate(messages) if message.role == Message.Role.USER), 0)
    return Stretch(_with_siblings(messages[whole:]), earlier=True)


def _with_siblings(messages: list[Message]) -> list[Message]:
    """Find what could stand in the place of each, by one query."""
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
    """The place of the first message that a page lacks, or shows in an older state; all of them where they part above.

    The page's branch is followed by its keys, up to where the window begins.
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
