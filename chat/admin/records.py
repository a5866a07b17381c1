"""The admin's views of conversations, feedback, share links and server processes."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce, Left
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ..html.messages import MessageView, PartView, record_view
from ..models import Conversation, Feedback, Message, Process, Share, ToolCall
from ..owners import PREFIXES, UNKEPT_KEY
from .base import ReadOnly, conversation_link, owner_name, users_of

BEGINNING = 80
"""Characters of an answer that the list of feedback shows."""


@dataclass(frozen=True, slots=True)
class ThreadItem:
    """A message of a conversation, in the order in which they were written."""

    message: Message
    view: MessageView
    shown: bool
    """Whether it is on the branch that the conversation shows."""

    @property
    def parts(self) -> list[tuple[PartView, ToolCall | None, str]]:
        """Return the parts, each with its call if somebody has decided about it, and who that was."""
        calls = self.message.calls
        decided = {uid: call for uid, call in calls.items() if call.question and call.decided_by}
        found = [(part, decided.get(part.call.id) if part.call else None) for part in self.view.parts]
        return [(part, call, self._decider(call) if call else "") for part, call in found]

    def _decider(self, call: ToolCall) -> str:
        """Name who has decided about a call: its owner, who may have had no account then, or else who stopped it."""
        conversation = self.message.conversation
        if call.decided_by.startswith(PREFIXES["user"]) and call.decided_by != conversation.owner:
            return gettext("an administrator")
        return owner_name(conversation.owner, conversation.user)

    @property
    def feedback(self) -> str:
        """Return the visitor's rating of the message with its comment, empty if there is none."""
        feedback: Feedback | None = getattr(self.message, "feedback", None)
        return ": ".join(filter(None, (feedback.get_value_display(), feedback.comment))) if feedback else ""

    @property
    def tokens(self) -> int | None:
        """Return how many tokens the answer took, if its endpoint has reported them in OpenAI's form."""
        return (self.message.usage or {}).get("total_tokens")


@admin.register(Conversation)
class ConversationAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """Conversations, the most recently updated first; each with its messages, as a thread to read."""

    list_display = ("title", "assistant", "about", "owned_by", "count", "created_at", "updated_at")
    list_filter = ("assistant",)
    search_fields = ("title", "message__text")
    date_hierarchy = "updated_at"
    ordering = ("-updated_at",)
    fields = readonly_fields = ("title", "assistant", "about", "owned_by", "count", "created_at", "updated_at")

    class Media:
        """The styles of the thread."""

        css = {"all": ["llm_chat/chat.css"]}  # noqa: RUF012 (Django's own form)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conversation]:
        """Count the messages, and load the users. Conversations that are not kept are left out: nobody sees them."""
        found: QuerySet[Conversation] = super().get_queryset(request).exclude(owner=UNKEPT_KEY)
        messages = Message.objects.filter(conversation=OuterRef("pk")).order_by().values("conversation")
        count = Subquery(messages.annotate(count=Count("pk")).values("count"))
        return found.prefetch_related(users_of("user")).annotate(messages=Coalesce(count, 0))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add the messages, which the template shows below the fields."""
        thread = list(_thread(context["original"]))
        return super().render_change_form(request, {**context, "thread": thread}, *args, **kwargs)

    @admin.display(description=_("user"), ordering="user_id")
    def owned_by(self, conversation: Conversation) -> str:
        """Name the user whose conversation it is, or say that it is a visitor's without an account, or the site's."""
        return owner_name(conversation.owner, conversation.user)

    @admin.display(description=_("object"), ordering="about_model")
    def about(self, conversation: Conversation) -> str:
        """Name the model and the key of the object that the conversation is about."""
        return f"{conversation.about_model} {conversation.about_key}".strip() or "-"

    @admin.display(description=_("messages"), ordering="messages")
    def count(self, conversation: Conversation) -> int:
        """Return the number of messages, in all branches."""
        return int(getattr(conversation, "messages"))  # noqa: B009 (annotated)


def _thread(conversation: Conversation) -> Iterator[ThreadItem]:
    """Return all messages of a conversation with their feedback, by one query."""
    messages = list(conversation.message_set.select_related("feedback").order_by("pk"))
    parents = {message.pk: message.parent_id for message in messages}
    shown = set()
    last = conversation.tip_id
    while last is not None:
        shown.add(last)
        last = parents.get(last)
    for message in messages:
        yield ThreadItem(message, record_view(message), message.pk in shown or not shown)


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
        return conversation_link(feedback.message.conversation)

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


@admin.register(Share)
class ShareAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """Share links, the newest first. To delete one is to revoke it."""

    list_display = ("title", "conversation", "created_at")
    list_select_related = ("conversation",)
    search_fields = ("title", "uid")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    fields = readonly_fields = ("title", "uid", "conversation", "created_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Share]:
        """Leave out the texts, which neither the list nor the form shows."""
        found: QuerySet[Share] = super().get_queryset(request)
        return found.defer("messages")


@admin.register(Process)
class ProcessAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """Server processes, those that only ask, and their heartbeats."""

    list_display = ("id", "host", "pid", "client", "started_at", "heartbeat_at")

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Return ``False``: the answers of a running process refer to its row."""
        return False
