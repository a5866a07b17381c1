"""Conversations, messages and what readers think of them in the admin, to read."""

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
"""How many characters of an answer stand in the list of feedback."""


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
    fields = readonly_fields = ("created_at", "role", "status", "error", "model", "text", "rating")
    ordering = ("pk",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        """With what the reader thinks of each, in one query."""
        return super().get_queryset(request).select_related("feedback")

    @admin.display(description=_("feedback"), empty_value="")
    def rating(self, message: Message) -> str | None:
        """What the reader thinks of the message, where they have said so."""
        feedback: Feedback | None = getattr(message, "feedback", None)
        if feedback is None:
            return None
        return ": ".join(filter(None, (feedback.get_value_display(), feedback.comment)))


@admin.register(Conversation)
class ConversationAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """Conversations, the newest first."""

    list_display = ("title", "user", "created_at", "updated_at")
    search_fields = ("title", "message__text")
    date_hierarchy = "updated_at"
    ordering = ("-updated_at",)
    fields = readonly_fields = ("title", "user", "created_at", "updated_at")
    inlines = (MessageInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conversation]:
        """Return them with their users, by a second query: users may be in another database."""
        users = get_user_model()._default_manager.using(router.db_for_read(get_user_model()))
        return super().get_queryset(request).prefetch_related(Prefetch("user", users))


@admin.register(Feedback)
class FeedbackAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """What readers think of answers, the newest first."""

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
        """Without the texts of the answers: a list has room for their beginnings alone."""
        found: QuerySet[Feedback] = super().get_queryset(request)
        lean = found.defer("message__text", "message__parts")
        return lean.annotate(beginning=Left("message__text", BEGINNING))

    @admin.display(description=_("answer"))
    def beginning(self, feedback: Feedback) -> str:
        """How the answer begins."""
        return str(getattr(feedback, "beginning")) or "-"  # noqa: B009 (annotated)

    @admin.display(description=_("conversation"), ordering="message__conversation__title")
    def conversation(self, feedback: Feedback) -> str:
        """The conversation that the answer stands in."""
        conversation = feedback.message.conversation
        address = reverse("admin:llm_chat_conversation_change", args=[conversation.pk])
        return format_html('<a href="{}">{}</a>', address, conversation)

    @admin.display(description=_("model"), ordering="message__model")
    def answered_by(self, feedback: Feedback) -> str:
        """The model that gave the answer."""
        return feedback.message.model

    @admin.display(description=_("question"))
    def question(self, feedback: Feedback) -> str:
        """The question that was answered."""
        return feedback.message.parent.text if feedback.message.parent else ""

    @admin.display(description=_("answer"))
    def answer(self, feedback: Feedback) -> str:
        """The answer, whole."""
        return feedback.message.text


@admin.register(Process)
class ProcessAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """The server processes and their heartbeats."""

    list_display = ("id", "host", "pid", "started_at", "heartbeat_at")

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """A running process's answers name its row."""
        return False
