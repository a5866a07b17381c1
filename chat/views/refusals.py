"""What a form without a script says about a request that is refused."""

from datetime import UTC, datetime

from django.http import HttpResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext

from ..errors import Refusal


def why(refusal: Refusal) -> str:
    """Return the sentence of a refusal in the active language, with the time from which it ends, if that is known."""
    said = refusal.sentence(None)
    if refusal.retry_at is None:
        return said
    return f"{said} {gettext('You can send again at {time}.').replace('{time}', _shown(refusal.retry_at))}"


def limited(response: HttpResponse, refusal: Refusal) -> HttpResponse:
    """Add the header that says after how many seconds the request can be sent again, if that is known."""
    if refusal.retry_at is not None:
        left = (refusal.retry_at - datetime.now(UTC)).total_seconds()
        response.headers["Retry-After"] = str(max(1, int(left) + 1))
    return response


def _shown(at: datetime) -> str:
    """Return a time, with its date if that is not today, in the site's time zone, which it names."""
    zone = timezone.get_current_timezone()
    local, now = at.astimezone(zone), datetime.now(UTC).astimezone(zone)
    shown = date_format(local, "TIME_FORMAT" if local.date() == now.date() else "DATETIME_FORMAT")
    return f"{shown} {local:%Z}"
