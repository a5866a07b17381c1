"""What the admin's views of the chat share: their rows can be read, and not written; users, owners, conversations."""

from typing import Any

from django.contrib.auth import get_user_model
from django.db import router
from django.db.models import Prefetch
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext

from ..models import Conversation
from ..owners import PREFIXES, UNKEPT_KEY, Owner


class ReadOnly:
    """A mixin for rows that can be viewed and deleted, but not added or changed."""

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Return ``False``: only the chat adds rows."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Return ``False``: only the chat changes rows."""
        return False


def users_of(path: str) -> "Prefetch[Any]":
    """Load the users behind a relation by a second query, because they may be in another database."""
    model = get_user_model()
    return Prefetch(path, model._default_manager.using(router.db_for_read(model)))


def conversation_link(conversation: Conversation | None) -> str:
    """Link to a conversation, if it is still there and kept."""
    if conversation is None or conversation.owner == UNKEPT_KEY:
        return "-"
    address = reverse("admin:llm_chat_conversation_change", args=[conversation.pk])
    return format_html('<a href="{}">{}</a>', address, conversation)


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
