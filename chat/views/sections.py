"""The list of conversations in sections by day."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext

from ..html.messages import ConversationView

WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Section:
    """Conversations under one heading; ``key`` names the section for a script: ``today`` is always there."""

    key: str
    heading: str
    items: list[ConversationView] = field(default_factory=list)


def sections(conversations: Iterable[ConversationView], today: date | None = None) -> list[Section]:
    """Conversations, the newest first, as today's, yesterday's, those of the seven days before, then by months."""
    today = today or _day(timezone.now())
    found = [Section("today", gettext("Today"))]
    for view in conversations:
        key, heading = _section_of(_day(view.updated) if view.updated else today, today)
        if found[-1].key != key:
            found.append(Section(key, heading))
        found[-1].items.append(view)
    return found


def _day(moment: datetime) -> date:
    """The day in the visitor's time zone; of a naive moment, as in sites without time zones, its own."""
    return timezone.localtime(moment).date() if timezone.is_aware(moment) else moment.date()


def _section_of(day: date, today: date) -> tuple[str, str]:
    if day >= today:
        return "today", gettext("Today")
    if day == today - timedelta(days=1):
        return "yesterday", gettext("Yesterday")
    if day >= today - WEEK:
        return "week", gettext("Previous 7 days")
    return f"{day:%Y-%m}", date_format(day, "F" if day.year == today.year else "YEAR_MONTH_FORMAT")
