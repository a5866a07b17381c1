"""The admin's read-only view of conversations, messages, feedback and server processes."""

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db import router
from django.db.models import Prefetch, QuerySet
from django.db.models.functions import Left
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from .models import Conversation, Feedback, Message, Process

BEGINNING = 80
"""Characters of an answer that the list of feedback shows."""


class ReadOnly:
    """A mixin for rows that can be viewed and deleted, but not added or changed."""

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Return ``False``: only the chat adds rows."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Return ``False``: only the chat changes rows."""
        return False


class MessageInline(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]
    """The messages of a conversation, in order."""

    model = Message
    fields = readonly_fields = ("created_at", "role", "status", "error", "model", "text", "rating")
    ordering = ("pk",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        """Load the messages with their feedback in one query."""
        return super().get_queryset(request).select_related("feedback")

    @admin.display(description=_("feedback"), empty_value="")
    def rating(self, message: Message) -> str | None:
        """Return the visitor's rating of the message with its comment, or ``None`` if there is none."""
        feedback: Feedback | None = getattr(message, "feedback", None)
        if feedback is None:
            return None
        return ": ".join(filter(None, (feedback.get_value_display(), feedback.comment)))


@admin.register(Conversation)
class ConversationAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """Conversations, the most recently updated first."""

    list_display = ("title", "user", "created_at", "updated_at")
    search_fields = ("title", "message__text")
    date_hierarchy = "updated_at"
    ordering = ("-updated_at",)
    fields = readonly_fields = ("title", "user", "created_at", "updated_at")
    inlines = (MessageInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conversation]:
        """Load the users by a second query, because they may be in another database."""
        users = get_user_model()._default_manager.using(router.db_for_read(get_user_model()))
        return super().get_queryset(request).prefetch_related(Prefetch("user", users))


@admin.register(Feedback)
class FeedbackAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """Visitors' feedback on answers, the most recently updated first."""

    list_display = ("beginning", "conversation", "value", "comment", "answered_by", "created_at", "updated_at")
    list_select_related = ("message__conversation",)
    list_filter = ("value", "message__model")
    search_fields = ("comment", "message__text", "message__conversation__title")
    date_hierarchy = "updated_at"
    ordering = ("-updated_at",)
    fields = readonly_fields = (
        *("value", "comment", "created_at", "updated_at"),
        *("conversation", "answered_by", "question", "answer"),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Feedback]:
        """Load only the beginnings of the answers' texts, which is all that the list shows."""
        found: QuerySet[Feedback] = super().get_queryset(request)
        lean = found.defer("message__text", "message__parts")
        return lean.annotate(beginning=Left("message__text", BEGINNING))

    @admin.display(description=_("answer"))
    def beginning(self, feedback: Feedback) -> str:
        """Return the beginning of the answer."""
        return str(getattr(feedback, "beginning")) or "-"  # noqa: B009 (annotated)

    @admin.display(description=_("conversation"), ordering="message__conversation__title")
    def conversation(self, feedback: Feedback) -> str:
        """Link to the conversation of the answer."""
        conversation = feedback.message.conversation
        address = reverse("admin:llm_chat_conversation_change", args=[conversation.pk])
        return format_html('<a href="{}">{}</a>', address, conversation)

    @admin.display(description=_("model"), ordering="message__model")
    def answered_by(self, feedback: Feedback) -> str:
        """Name the model that wrote the answer."""
        return feedback.message.model

    @admin.display(description=_("question"))
    def question(self, feedback: Feedback) -> str:
        """Return the text of the question; empty if the answer has none."""
        return feedback.message.parent.text if feedback.message.parent else ""

    @admin.display(description=_("answer"))
    def answer(self, feedback: Feedback) -> str:
        """Return the full text of the answer."""
        return feedback.message.text


@admin.register(Process)
class ProcessAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """Server processes and their heartbeats."""

    list_display = ("id", "host", "pid", "started_at", "heartbeat_at")

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Return ``False``: the answers of a running process refer to its row."""
        return False
