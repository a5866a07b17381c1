"""Counts what the limits are about: a row for each limit, window and owner.

Each counter changes by one conditional UPDATE, so no two processes can take the same rest of a limit. A transaction
takes its counters after all other rows, in the order of their names, so that two transactions cannot deadlock.
"""

from collections import Counter as Sums
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac

from ..conf import conf
from ..errors import Refusal
from ..limits import ANSWERS, COST, TOKENS, Limit, read_one, units
from ..models import Counter, Usage
from ..owners import Owner
from ..prices import Price
from ..tokens import Tokens
from .compiled import Append, add, columns
from .threads import atomic, database

USED, NAME = columns(Counter, "used", "name")
_TAKE = add(USED, where=[NAME], most=USED)
_ADD = add(USED, where=[NAME])
_NEW = Append(Counter)

KEPT = timedelta(hours=1)
BATCH = 1_000
"""How many counters one heartbeat removes at most."""

SALT = "llm_chat.address"

ADDRESS, OWNER, ASSISTANT = "address", "owner", "assistant"
"""The words with which the scopes of rules begin; that of the whole site is ``"site"``."""

VISITORS = "visitors"
"""The measure of new visitors."""


class Rule(NamedTuple):
    """One limit, and whose use it counts."""

    scope: str
    measure: str
    limit: Limit


class Reserved(NamedTuple):
    """What was taken from a counter for a call that is to come, as ``Message.calling`` has it."""

    counter: str
    measure: str
    amount: int


Settlement = tuple[Iterable[Reserved], Iterable[Usage]]
"""What was reserved, and the calls of models for which it was."""


class Charge(NamedTuple):
    """What is to be taken from a counter, which may have so much (``most``) before, because of a rule."""

    reserved: Reserved
    most: int
    ends_at: datetime
    rule: Rule


class LimitReached(Refusal):
    """A counter has not enough left. ``rule`` is the limit whose window ends last among those that are reached."""

    def __init__(self, charge: Charge) -> None:
        super().__init__("limit", retry_at=charge.ends_at)
        self.rule = charge.rule


@dataclass(frozen=True, slots=True)
class Meter:
    """The limits of one turn, and what a call of its model may use at most."""

    rules: tuple[Rule, ...]
    price: Price | None = None
    output: int = 0
    """The longest reply, in tokens."""
    overhead: int = 0
    """What the model reads besides the messages, in tokens: instructions and tools."""

    @property
    def counts_calls(self) -> bool:
        """Tell whether there are limits of what calls of models use."""
        return any(rule.measure != ANSWERS for rule in self.rules)

    def charges(self, read: int | None, answers: int = 0) -> list[Charge]:
        """Return what a message and the call that answers it take, in the order in which the counters are taken.

        Args:
            read: an estimate of the messages that the model reads, in tokens; ``None`` if none is called.
            answers: how many messages are asked.
        """
        amounts = {ANSWERS: answers}
        if read is not None:
            amounts |= amounts_of(Tokens(input=read + self.overhead, output=self.output), self.price)
        now = datetime.now(UTC)
        found = (_charge(rule, amounts[rule.measure], now) for rule in self.rules if amounts.get(rule.measure))
        return sorted(found, key=lambda charge: charge.reserved.counter)


def amounts_of(tokens: Tokens, price: Price | None) -> dict[str, int]:
    """Return what a call counts by its measures."""
    cost = price.cost(tokens) if price else None
    return {TOKENS: tokens.total or 0, COST: units(cost) if cost is not None else 0}


def address_scope(network: str) -> str:
    """Return the scope of an address; its digest, because an address is personal."""
    return f"{ADDRESS} {salted_hmac(SALT, network, algorithm='sha256').hexdigest()[:32]}"


def owner_scope(owner: Owner) -> str:
    """Return the scope of an owner."""
    return f"{OWNER} {owner.key}"


def assistant_scope(assistant: str, owner: Owner) -> str:
    """Return the scope of an owner who asks one assistant, by its name."""
    return f"{ASSISTANT} {assistant} {owner.key}"


def counters_of(owner: Owner) -> QuerySet[Counter]:
    """Return the counters in whose names the owner's key is."""
    of_assistants = Q(name__startswith=f"{ASSISTANT} ", name__contains=f" {owner.key} ")
    return Counter.objects.filter(Q(name__startswith=f"{owner_scope(owner)} ") | of_assistants)


def _charge(rule: Rule, amount: int, now: datetime) -> Charge:
    """Return what one rule takes. A call that exceeds a limit alone takes all of it, so that it can be made at all."""
    begin, end = rule.limit.around(now)
    amount = min(amount, rule.limit.most)
    name = f"{rule.scope} {rule.measure} {rule.limit.window} {begin:%Y-%m-%dT%H:%M}"
    return Charge(Reserved(name, rule.measure, amount), rule.limit.most - amount, end, rule)


def reservable(charges: Iterable[Charge]) -> list[Reserved]:
    """Return what is settled after the call: everything except the answers, which stay counted."""
    return [charge.reserved for charge in charges if charge.reserved.measure != ANSWERS]


def take(charges: Sequence[Charge]) -> None:
    """Take from all counters, in a transaction that a refusal rolls back.

    Raises ``LimitReached`` with the time from which there is enough left, if one of them has not enough.
    """
    alias = database()
    for place, ((name, _, amount), most, ends_at, _) in enumerate(charges):
        if _TAKE.run(alias, amount, name, most)[0]:
            continue
        _NEW.run(alias, *_NEW.values(Counter(name=name, used=0, ends_at=_stored(ends_at))))
        if not _TAKE.run(alias, amount, name, most)[0]:
            raise LimitReached(_last_reached(charges[place:]))


def _stored(at: datetime) -> datetime:
    """Return a time as the site stores it: without a zone if ``USE_TZ`` is off."""
    return at if timezone.is_aware(timezone.now()) else timezone.make_naive(at, timezone.get_default_timezone())


def _last_reached(charges: Sequence[Charge]) -> Charge:
    """Return the charge whose window ends last among those whose counters have not enough."""
    names = [charge.reserved.counter for charge in charges]
    used = dict(Counter.objects.filter(name__in=names).values_list("name", "used"))
    short = [charge for charge in charges if used.get(charge.reserved.counter, 0) > charge.most]
    return max(short or charges[:1], key=lambda charge: charge.ends_at)


def settle(*settlements: Settlement) -> None:
    """Replace what was reserved for calls of models by what they have used, in the transaction that stores them.

    A cost that is not known stays as it was reserved.
    """
    changes: Sums[str] = Sums()
    for reserved, calls in settlements:
        used = used_by(calls)
        for counter, measure, amount in reserved:
            changes[counter] += used.get(measure, amount) - amount
    alias = database()
    for counter in sorted(changes):
        if changes[counter]:
            _ADD.run(alias, changes[counter], counter)


def used_by(calls: Iterable[Usage]) -> Mapping[str, int]:
    """Return what calls count by the measures that are known of all of them."""
    calls = list(calls)
    found: dict[str, Any] = {}
    if all(call.tokens.total is not None for call in calls):
        found[TOKENS] = sum(call.tokens.total or 0 for call in calls)
    if all(call.cost is not None for call in calls):
        found[COST] = sum(units(call.cost) for call in calls if call.cost is not None)
    return found


def admits_visitor(network: str) -> bool:
    """Count a new visitor from a network; return whether ``CHAT["MAX_NEW_VISITORS_PER_ADDRESS"]`` allows one more.

    Where the network is not known, nobody is counted.
    """
    if not network:
        return True
    rules = [Rule(address_scope(network), VISITORS, limit) for limit in read_one(conf.max_new_visitors_per_address)]
    now = datetime.now(UTC)
    try:
        atomic(take)(sorted(_charge(rule, 1, now) for rule in rules))
    except Refusal:
        return False
    return True


def remove_old() -> None:
    """Remove counters that nobody needs, some at a time: no call of a model lasts for so long after its window."""
    old = Counter.objects.filter(ends_at__lt=timezone.now() - KEPT).values_list("name", flat=True)[:BATCH]
    if names := list(old):
        Counter.objects.filter(name__in=names).delete()
