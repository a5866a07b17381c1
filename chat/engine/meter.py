"""Finds the limits that a turn counts against: those of the site, of its assistant, and of the model that answers."""

import json
import logging
from collections.abc import Iterator
from dataclasses import replace

from ..assistants import Assistant
from ..assistants.discovery import Settings, name_of
from ..assistants.hooks import limits_of
from ..assistants.tools import tools_of
from ..backends.loading import Named
from ..conf import conf
from ..db.counters import Meter, Rule, address_scope, assistant_scope, owner_scope
from ..errors import Refusal
from ..limits import COST, Limits, read_all
from ..owners import Owner
from ..prices import Prices
from ..tokens import estimated

logger = logging.getLogger(__name__)

OUTPUT = 1_000
"""How many tokens a call is expected to write at most if its backend sets no limit."""


async def meter_of(assistant: Assistant, owner: Owner, network: str, named: Named) -> Meter | None:
    """Return the limits of a turn, and what its model may use; ``None`` if there are none.

    What the site itself asks, for no user, counts for the whole site only.

    Raises ``Refusal`` if the assistant's own cannot be had.
    """
    limited = owner.limited
    rules = [*_rules_of_the_site(limited, network)]
    if limited is not None:
        rules += _rules(assistant_scope(name_of(type(assistant)), limited), await _own_limits(assistant))
    return for_model(Meter(tuple(rules)), type(assistant), named) if rules else None


async def _own_limits(assistant: Assistant) -> Limits:
    """Return the limits of an assistant. Raises ``Refusal``."""
    try:
        return await limits_of(assistant)
    except Exception as error:
        logger.exception("The limits of the assistant %s could not be read.", name_of(type(assistant)))
        raise Refusal("internal") from error


def for_model(meter: Meter, assistant: type[Assistant], named: Named) -> Meter:
    """Return the limits with the price of a backend's model, its longest reply, and what it reads besides messages."""
    if not meter.counts_calls:
        return meter
    backend = named.backend
    counts_costs = any(rule.measure == COST for rule in meter.rules)
    price = Prices(conf.prices).find(backend.model, backend.url) if counts_costs else None
    return replace(meter, price=price, output=backend.max_tokens or OUTPUT, overhead=overhead_of(assistant, named))


def overhead_of(assistant: type[Assistant], named: Named) -> int:
    """Estimate what a model reads besides the messages: instructions that are a text of the site's, and tools."""
    prompt = conf.system_prompt if assistant is Settings else assistant.instructions
    tools = _tools(assistant) if named.backend.tools else 0
    return tools + (0 if callable(prompt) else estimated(str(prompt)))


def _tools(assistant: type[Assistant]) -> int:
    found = tools_of(assistant).values()
    return sum(estimated(tool.name + tool.description + json.dumps(tool.parameters)) for tool in found)


def _rules_of_the_site(owner: Owner | None, network: str) -> Iterator[Rule]:
    limits = read_all(conf.limits)
    if owner is not None:
        who = "anonymous" if owner.user_id is None else "user"
        yield from _rules(owner_scope(owner), limits.get(who, {}))
    if network:
        yield from _rules(address_scope(network), limits.get("address", {}))
    yield from _rules("site", limits.get("site", {}))


def _rules(scope: str, limits: Limits) -> Iterator[Rule]:
    for measure, found in limits.items():
        yield from (Rule(scope, measure, limit) for limit in found)
