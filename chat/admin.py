"""Conversations and messages in the admin, to read."""

from django.contrib import admin
from django.http import HttpRequest

from .models import Conversation, Message, Process


class ReadOnly:
    """What the chat wrote is looked at and deleted here, never changed."""

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody adds rows by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Nobody changes rows by hand."""
        return False


class MessageInline(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]
    """The messages of a conversation, in order."""

    model = Message
    fields = readonly_fields = ("created_at", "role", "status", "error", "model", "text")
    ordering = ("pk",)


@admin.register(Conversation)
class ConversationAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """Conversations, the newest first."""

    list_display = ("title", "user", "created_at", "updated_at")
    list_select_related = ("user",)
    search_fields = ("title", "message__text")
    date_hierarchy = "updated_at"
    ordering = ("-updated_at",)
    fields = readonly_fields = ("title", "user", "created_at", "updated_at")
    inlines = (MessageInline,)


@admin.register(Process)
class ProcessAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """The server processes and their heartbeats."""

    list_display = ("id", "host", "pid", "started_at", "heartbeat_at")

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """A running process's answers name its row."""
        return False
