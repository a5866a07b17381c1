"""The grammar of limits: what is read, what is refused, and when windows begin and end."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from chat.conf import Conf
from chat.limits import UNITS, Limit, complaint, read, read_all, units, window_complaint


def test_each_measure_has_one_or_more_numbers_with_windows():
    assert read({"answers": "5/minute 30/day", "tokens": "20_000/month", "cost": "2.50/hour"}) == {
        "answers": (Limit(5, "minute"), Limit(30, "day")),
        "tokens": (Limit(20_000, "month"),),
        "cost": (Limit(2_500_000_000, "hour"),),
    }


def test_limits_are_read_for_each_of_those_who_are_counted():
    given = {who: {"answers": "1/day"} for who in ("anonymous", "user", "address", "site")}
    assert read_all(given) == {who: {"answers": (Limit(1, "day"),)} for who in given}
    assert read_all({}) == {}


def test_a_cost_is_counted_in_billionths_and_rounded_up():
    assert units(Decimal("0.0000000001")) == 1
    assert units(Decimal("2")) == 2 * UNITS


WRONG = {
    "a list": (["5/day"], " must be a dictionary like"),
    "an unknown kind": ({"users": {}}, "['users'] is not known: the keys are anonymous, user, address and site."),
    "a text for a kind": ({"user": "5/day"}, '["user"] must be a dictionary like {"answers": "30/day"}'),
    "an unknown measure": ({"user": {"messages": "5/day"}}, """["user"]['messages'] is not known: the measures are"""),
}
TEXTS = {
    "": 'must be a number and a window, such as "30/day"',
    "5": "got '5'; the windows are minute, hour, day and month.",
    "5/week": "got '5/week'",
    "5 / day": "got '5'",
    "five/day": "got 'five/day'",
    "-5/day": "got '-5/day'",
    "5/day,6/hour": "got '5/day,6/hour'",
    "0/day": "must be more than 0",
    "0.0/day": "must be more than 0",
    "9_999_999_999/day": "at most 1,000,000,000",
    "1.5/day": "must be a whole number, got '1.5/day'.",
    5: "got 5.",
    None: "got None.",
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_table_of_limits_is_refused(name):
    given, said = WRONG[name]
    assert said in complaint(given)
    assert Conf.limits.complaint(given).startswith('CHAT["LIMITS"]')
    with pytest.raises(ValueError):
        read_all(given)


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_no_limit_is_refused_where_it_stands(text):
    found = complaint({"site": {"answers": text}})
    assert found.startswith('["site"]["answers"] must be ')
    assert TEXTS[text] in found
    assert window_complaint(text) == found.removeprefix('["site"]["answers"]')


def test_a_cost_may_have_a_fraction():
    assert complaint({"site": {"cost": "0.05/minute"}}) == ""


NOW = datetime(2026, 12, 31, 23, 59, 58, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "begin", "end"),
    [
        ("minute", datetime(2026, 12, 31, 23, 59, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        ("hour", datetime(2026, 12, 31, 23, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        ("day", datetime(2026, 12, 31, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        ("month", datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
    ],
)
def test_windows_are_those_of_the_clock_and_the_calendar_in_utc(window, begin, end):
    assert Limit(1, window).around(NOW) == (begin, end)
    assert Limit(1, window).around(NOW.astimezone(timezone(timedelta(hours=5)))) == (begin, end)
    assert Limit(1, window).around(end)[0] == end


def test_a_short_month_ends_with_the_next():
    assert Limit(1, "month").around(datetime(2028, 2, 3, tzinfo=UTC))[1] == datetime(2028, 3, 1, tzinfo=UTC)
