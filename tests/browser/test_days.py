"""The list of conversations stands under the reader's own days, whatever the server's time zone."""

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone, translation
from playwright.sync_api import expect

from chat.html.messages import conversation_view
from chat.models import Conversation
from chat.owners import VISITOR
from chat.views.sections import sections

NOW = datetime(2026, 3, 10, 1, tzinfo=UTC)
SECTIONS = """() => [...document.querySelectorAll("llm-chat-list [data-day]")].map((section) => [
    section.dataset.day,
    section.querySelector("h2").textContent,
    [...section.querySelectorAll("[data-conversation]")].map((line) => line.dataset.conversation),
]).filter(([, , lines]) => lines.length)"""


@pytest.fixture
def listed(script, site, visit):
    """A page in a time zone at a time, with conversations that were last used at other times."""

    def listed(zone, *moments, now=NOW, language="en", ticks=False):
        chat = visit(site.url, timezone_id=zone, locale=language).open()
        owner = f"visitor:{Session.objects.get().get_decoded()[VISITOR]}"
        for number, moment in enumerate(moments):
            Conversation.objects.create(owner=owner, uid=f"c{number}", title=f"{moment:%d %H:%M}", updated_at=moment)
        chat.page.clock.install(time=now) if ticks else chat.page.clock.set_fixed_time(now)
        chat.page.reload()
        chat.connected()
        return chat

    return listed


def shown(chat):
    return chat.page.evaluate(SECTIONS)


def test_b31_a_conversation_of_this_morning_in_tokyo_is_listed_under_today(listed):
    morning, evening = datetime(2026, 3, 9, 22, 11, tzinfo=UTC), datetime(2026, 3, 9, 14, 30, tzinfo=UTC)
    chat = listed("Asia/Tokyo", morning, evening)
    assert shown(chat) == [["today", "Today", ["c0"]], ["yesterday", "Yesterday", ["c1"]]]


@pytest.mark.parametrize(
    ("zone", "language"),
    [
        ("Asia/Tokyo", "en"),
        ("America/Los_Angeles", "de"),  # an hour was lost there the day before
        ("Pacific/Kiritimati", "fr"),
        ("Pacific/Pago_Pago", "ar"),
        ("Asia/Kathmandu", "en"),
        ("UTC", "en"),
    ],
)
def test_b31_the_sections_are_those_that_a_server_in_the_readers_zone_would_make(listed, zone, language):
    chances = random.Random(zone)
    hours = [*range(0, 240, 7), *(chances.uniform(0, 24 * 120) for _ in range(40))]
    there = NOW.astimezone(ZoneInfo(zone))
    midnights = [there.replace(hour=0, minute=0) - timedelta(days=days) for days in (0, 1, 7, 8, 10, 38, 69)]
    around = [moment + timedelta(seconds=seconds) for moment in midnights for seconds in (-1, 0)]
    chat = listed(zone, *(NOW - timedelta(hours=hour) for hour in hours), *around, language=language)
    with timezone.override(zone), translation.override(language):
        views = [conversation_view(found) for found in Conversation.objects.order_by("-updated_at", "-pk")]
        wanted = [[part.key, part.heading, [item.id for item in part.items]] for part in sections(views, there.date())]
    assert shown(chat) == [part for part in wanted if part[2]]


def test_b31_at_midnight_today_becomes_yesterday_unless_the_pointer_is_on_the_list(listed):
    before = datetime(2026, 3, 10, 14, 59, 30, tzinfo=UTC)  # in Tokyo, half a minute before midnight
    chat = listed("Asia/Tokyo", before - timedelta(hours=1), before - timedelta(days=1), now=before, ticks=True)
    assert [key for key, _, _ in shown(chat)] == ["today", "yesterday"]
    chat.page.locator("[data-conversation=c0] a").first.hover()
    chat.page.clock.fast_forward("01:00")
    assert [key for key, _, _ in shown(chat)] == ["today", "yesterday"]
    chat.page.mouse.move(900, 300)
    assert shown(chat) == [["yesterday", "Yesterday", ["c0"]], ["week", "Previous 7 days", ["c1"]]]
    chat.hear(type="event", requestId="conversation", event="run-started", id="c1", message="a", version=1, title="New")
    assert shown(chat) == [["today", "Today", ["c1"]], ["yesterday", "Yesterday", ["c0"]]]
    chat.hear(type="event", requestId="conversation", event="run-started", id="new", message="b", version=2, title="N")
    assert shown(chat)[0] == ["today", "Today", ["new", "c1"]]
    chat.page.clock.fast_forward("24:00:00")
    assert shown(chat) == [["yesterday", "Yesterday", ["new", "c1"]], ["week", "Previous 7 days", ["c0"]]]


def test_b31_search_results_are_not_sorted_by_day(listed):
    chat = listed("Asia/Tokyo", NOW - timedelta(hours=20), NOW)
    chat.page.get_by_role("searchbox").fill("00")
    found = chat.page.locator("[data-found] [data-result]")
    expect(found).to_have_count(2)
    chat.page.get_by_role("searchbox").fill("")
    assert [key for key, _, _ in shown(chat)] == ["today", "yesterday"]
