"""Groups the list of conversations by day."""

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
    """Conversations under one heading; ``key`` identifies the section for scripts."""

    key: str
    heading: str
    items: list[ConversationView] = field(default_factory=list)


def sections(conversations: Iterable[ConversationView], today: date | None = None) -> list[Section]:
    """Group conversations, newest first: the pinned ones, then today, yesterday, the last seven days, and months.

    The sections of the pinned ones and of today are always there, even if empty, because scripts add to them.
    """
    today = today or _day(timezone.now())
    pinned = Section("pinned", gettext("Pinned"))
    found = [pinned, Section("today", gettext("Today"))]
    for view in conversations:
        if view.pinned:
            pinned.items.append(view)
            continue
        key, heading = _section_of(_day(view.updated) if view.updated else today, today)
        if found[-1].key != key:
            found.append(Section(key, heading))
        found[-1].items.append(view)
    return found


def _day(moment: datetime) -> date:
    """Return the day in the visitor's time zone; of a naive time, as in a site with ``USE_TZ = False``, its date."""
    return timezone.localtime(moment).date() if timezone.is_aware(moment) else moment.date()


def _section_of(day: date, today: date) -> tuple[str, str]:
    if day >= today:
        return "today", gettext("Today")
    if day == today - timedelta(days=1):
        return "yesterday", gettext("Yesterday")
    if day >= today - WEEK:
        return "week", gettext("Previous 7 days")
    return f"{day:%Y-%m}", date_format(day, "F" if day.year == today.year else "YEAR_MONTH_FORMAT")
