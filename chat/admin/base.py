"""What the admin's views of the chat share: their rows can be read, and not written, and name their owners."""

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext

from ..owners import PREFIXES, Owner


class ReadOnly:
    """A mixin for rows that can be viewed and deleted, but not added or changed."""

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Return ``False``: only the chat adds rows."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Return ``False``: only the chat changes rows."""
        return False


def owner_name(key: str, user: Any) -> str:
    """Name the user to whom something belongs, or say who has it instead.

    Args:
        key: the key of the owner; empty if everything about the owner was erased.
        user: the user; ``None`` if there is none, or none any more.
    """
    if user is not None:
        return str(user)
    if key.startswith(PREFIXES["anonymous"]):
        return gettext("Visitor")
    return gettext("Deleted") if Owner(key).is_listed else gettext("Site")
