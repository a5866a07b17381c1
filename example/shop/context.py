"""What every page of the shop says about the shop."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def shop(request: HttpRequest) -> dict[str, Any]:
    return {"is_scripted": settings.IS_SCRIPTED}
