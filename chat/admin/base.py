"""What the admin's views of the chat share: their rows can be read, and not written."""

from django.http import HttpRequest


class ReadOnly:
    """A mixin for rows that can be viewed and deleted, but not added or changed."""

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Return ``False``: only the chat adds rows."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Return ``False``: only the chat changes rows."""
        return False
