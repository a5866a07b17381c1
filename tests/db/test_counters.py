"""Counters of limits: what is taken, what is refused, and what is settled."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connections, transaction
from django.utils import timezone

from chat.db.counters import (
    KEPT,
    Charge,
    LimitReached,
    Meter,
    Reserved,
    Rule,
    address_scope,
    remove_old,
    reservable,
    settle,
    take,
)
from chat.limits import UNITS, Limit
from chat.models import Counter, Usage
from chat.prices import Listed

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

SOON = datetime(2027, 1, 1, tzinfo=UTC)
LATER = SOON + timedelta(days=9)


@pytest.fixture(autouse=True)
def empty(database):
    Counter.objects.all().delete()


def charge(name="a", amount=1, limit=3, ends_at=SOON, measure="answers"):
    return Charge(Reserved(name, measure, amount), limit - amount, ends_at, Rule(name, measure, Limit(limit, "day")))


def used():
    return dict(Counter.objects.values_list("name", "used"))


def taken(*charges):
    """Take in a transaction of its own; return the time of a refusal."""
    refusal = refused(*charges)
    return refusal and refusal.retry_at


def refused(*charges):
    """Take in a transaction of its own; return the refusal, if there is one."""
    try:
        with transaction.atomic(using=Counter.objects.db):
            take(charges)
    except LimitReached as refusal:
        assert refusal.code == "limit"
        return refusal
    return None


def test_so_much_is_taken_as_the_limit_allows_and_no_more():
    assert [taken(charge()) for _ in range(5)] == [None, None, None, SOON, SOON]
    assert used() == {"a": 3}
    assert Counter.objects.get().ends_at == SOON


def test_a_refusal_takes_from_no_counter():
    taken(charge("b", limit=1))
    assert taken(charge("a"), charge("b", limit=1), charge("c")) == SOON
    assert used() == {"b": 1}


def test_a_refusal_names_the_time_when_all_are_free():
    taken(charge("b", limit=1), charge("c", limit=1))
    refusal = refused(
        charge("a"), charge("b", limit=1), charge("c", limit=1, ends_at=LATER), charge("d", ends_at=LATER)
    )
    assert (refusal.retry_at, refusal.rule.scope) == (LATER, "c")
    assert taken(charge("a"), charge("b", limit=1), charge("d", limit=1, ends_at=LATER)) == SOON


def test_nothing_is_asked_of_the_database_without_limits(django_assert_num_queries, database):
    with django_assert_num_queries(0, connection=connections[database]):
        take([])
        settle(((), ()))


def test_a_limit_that_is_there_takes_one_statement(django_assert_num_queries, database):
    taken(charge())
    with transaction.atomic(using=database), django_assert_num_queries(1, connection=connections[database]):
        take([charge()])


def row(tokens, cost=None):
    return Usage(input_tokens=tokens, output_tokens=0, cost=cost)


def test_what_was_reserved_is_replaced_by_what_was_used():
    Counter.objects.create(name="t", used=100, ends_at=SOON)
    Counter.objects.create(name="c", used=5 * UNITS, ends_at=SOON)
    reserved = [Reserved("t", "tokens", 60), Reserved("c", "cost", UNITS)]
    settle((reserved, [row(10, Decimal("0.25")), row(5, Decimal("0.25"))]))
    assert used() == {"t": 55, "c": 4_500_000_000}


def test_what_was_not_called_is_given_back():
    Counter.objects.create(name="t", used=100, ends_at=SOON)
    settle(([Reserved("t", "tokens", 60)], []))
    assert used() == {"t": 40}


def test_an_unknown_cost_stays_as_it_was_reserved():
    Counter.objects.create(name="c", used=UNITS, ends_at=SOON)
    settle(([Reserved("c", "cost", UNITS)], [row(10)]))
    assert used() == {"c": UNITS}


def test_several_settlements_change_each_counter_once(django_assert_num_queries, database):
    Counter.objects.create(name="t", used=100, ends_at=SOON)
    with django_assert_num_queries(1, connection=connections[database]):
        settle(([Reserved("t", "tokens", 10)], [row(1)]), ([Reserved("t", "tokens", 20)], [row(2)]))
    assert used() == {"t": 73}


def test_a_counter_that_is_gone_is_not_made_again():
    settle(([Reserved("t", "tokens", 10)], [row(1)]))
    assert used() == {}


def test_old_counters_are_removed():
    now = timezone.now()
    Counter.objects.create(name="old", ends_at=now - KEPT - timedelta(seconds=1))
    Counter.objects.create(name="recent", ends_at=now - timedelta(seconds=1))
    remove_old()
    assert used() == {"recent": 0}


def test_a_meter_charges_each_rule_in_the_order_of_the_names():
    rules = [Rule("site", "cost", Limit(UNITS, "day")), Rule("owner visitor:ann", "answers", Limit(5, "minute"))]
    rules.append(Rule("owner visitor:ann", "tokens", Limit(1_000, "month")))
    meter = Meter(tuple(rules), price=Listed("EUR", Decimal(2), Decimal(10)), output=100, overhead=20)
    found = meter.charges(30, answers=1)
    assert [(each.reserved.measure, each.reserved.amount) for each in found] == [
        ("answers", 1),
        ("tokens", 150),
        ("cost", 2 * 50 * 1_000 + 10 * 100 * 1_000),
    ]
    assert [each.reserved.counter.rpartition(" ")[0] for each in found] == [
        "owner visitor:ann answers minute",
        "owner visitor:ann tokens month",
        "site cost day",
    ]
    assert [each.measure for each in reservable(found)] == ["tokens", "cost"]
    assert [each.reserved.measure for each in meter.charges(None, answers=1)] == ["answers"]
    assert [each.reserved.measure for each in meter.charges(30)] == ["tokens", "cost"]


def test_a_call_that_exceeds_a_limit_alone_takes_all_of_it():
    meter = Meter((Rule("site", "tokens", Limit(100, "day")),), output=1_000)
    assert taken(*meter.charges(5)) is None
    assert taken(*meter.charges(5)) is not None
    assert list(used().values()) == [100]


def test_the_name_of_a_counter_has_no_address_and_fits_its_column():
    scope = address_scope("9.9.9.9")
    assert "9.9.9.9" not in scope and scope == address_scope("9.9.9.9") != address_scope("9.9.9.8")
    longest = Rule(f"assistant {'a' * 64} {'o' * 80}", "answers", Limit(1, "minute"))
    (found,) = Meter((longest,)).charges(None, answers=1)
    assert len(found.reserved.counter) <= Counter._meta.pk.max_length


def test_a_site_without_time_zones_stores_the_end_of_a_window(settings, database):
    settings.USE_TZ = False
    if connections[database].vendor == "sqlite":
        taken(charge())
        assert Counter.objects.get().ends_at == timezone.make_naive(SOON, timezone.get_default_timezone())
