"""The list of conversations by day."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from django.utils import timezone, translation

from chat.html.messages import ConversationView
from chat.views.sections import sections

TODAY = date(2026, 3, 10)


def view(moment, uid="c1"):
    return ConversationView(uid, "", "", updated=moment)


def ago(days):
    return view(datetime(2026, 3, 10, 12, tzinfo=UTC) - timedelta(days=days), f"c{days}")


def grouped(*views):
    return [(section.key, section.heading, [item.id for item in section.items]) for section in sections(views, TODAY)]


def test_conversations_are_grouped_by_day_and_month():
    assert grouped(*(ago(days) for days in (0, 1, 2, 7, 8, 9, 40, 100))) == [
        ("pinned", "Pinned", []),
        ("today", "Today", ["c0"]),
        ("yesterday", "Yesterday", ["c1"]),
        ("week", "Previous 7 days", ["c2", "c7"]),
        ("2026-03", "March", ["c8", "c9"]),
        ("2026-01", "January", ["c40"]),
        ("2025-11", "November 2025", ["c100"]),
    ]


def test_the_sections_of_pinned_conversations_and_of_today_are_always_there():
    assert grouped() == [("pinned", "Pinned", []), ("today", "Today", [])]
    assert [key for key, _, _ in grouped(ago(1))] == ["pinned", "today", "yesterday"]


def test_pinned_conversations_come_first_whatever_their_day():
    old = replace(ago(40), pinned=True)
    assert grouped(old, ago(0))[:2] == [("pinned", "Pinned", ["c40"]), ("today", "Today", ["c0"])]


def test_days_are_those_of_the_visitors_time_zone():
    late = view(datetime(2026, 3, 10, 23, 30, tzinfo=UTC))
    early = view(datetime(2026, 3, 9, 23, 30, tzinfo=UTC))
    assert [key for key, _, items in grouped(early) if items] == ["yesterday"]
    with timezone.override("Asia/Tokyo"):
        assert [key for key, _, items in grouped(early) if items] == ["today"]
        assert [key for key, _, items in grouped(late) if items] == ["today"]  # the clock of the server may be behind


def test_a_site_without_time_zones_has_sections_too(settings):
    settings.USE_TZ = False
    assert [key for key, _, items in grouped(view(datetime(2026, 3, 9, 12))) if items] == ["yesterday"]
    assert sections([])[1].key == "today"


@pytest.mark.parametrize(("language", "month"), [("de", "Januar"), ("fr", "janvier")])
def test_months_have_the_names_of_the_language(language, month):
    with translation.override(language):
        assert grouped(ago(40))[-1][1] == month
