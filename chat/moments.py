"""Times as the database has them, with their time zone."""

from datetime import datetime

from django.utils import timezone


def moment(stored: datetime) -> datetime:
    """Add the time zone of ``TIME_ZONE`` to a stored time that has none, as in a site with ``USE_TZ = False``."""
    return stored if timezone.is_aware(stored) else timezone.make_aware(stored, timezone.get_default_timezone())
