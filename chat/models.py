"""Conversations, their messages, and the processes that write them."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

from django.core.checks import CheckMessage
from django.db import models
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from .conf import conf
from .ledger import KEY_LENGTH, Counter, Usage
from .managers import ConversationManager, MessageManager, OwnDatabase, cascade
from .text import TITLE_LENGTH

COMMENT_LENGTH = 2_000
REASON_LENGTH = 500

__all__ = [
    "KEY_LENGTH",
    "Conversation",
    "Counter",
    "Feedback",
    "Message",
    "Process",
    "RunningAnswer",
    "Share",
    "ToolCall",
    "Usage",
    "WaitingAnswer",
]

PROCESS_LENGTH = 32
"""Length of ``Process.id``, in characters."""

POSTED = "p-"
"""What the ``uid`` of a message begins with that the site has posted by the Python API."""

SLICE = 128
"""Batch size of the queries that walk up a branch: a page's window, and some messages of other branches."""


class Process(models.Model):
    """A process that writes answers. A running answer names it, and its heartbeat shows that it is alive."""

    id = models.CharField(_("ID"), primary_key=True, max_length=PROCESS_LENGTH)
    host = models.CharField(_("host"), max_length=255)
    pid = models.PositiveIntegerField(_("process ID"))
    started_at = models.DateTimeField(_("started at"))
    heartbeat_at = models.DateTimeField(_("last heartbeat"))
    client = models.BooleanField(_("client"), default=False)
    """Whether it only asks, by the Python API, and serves no pages: a command, a worker of Celery, a shell."""

    objects = OwnDatabase["Process"]()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("process")
        verbose_name_plural = _("processes")

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


class Conversation(models.Model):
    """A tree of messages. Its ``uid`` is made by the client and is unique only together with the owner."""

    owner = models.CharField(_("owner"), max_length=KEY_LENGTH, editable=False)
    user = models.ForeignKey(
        conf.user_model,
        cascade,
        verbose_name=_("user"),
        db_constraint=conf.user_constraint,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    uid = models.CharField(_("UID"), max_length=64, editable=False)
    title = models.CharField(_("title"), max_length=TITLE_LENGTH, blank=True)
    claim = models.CharField(_("claim"), max_length=64, blank=True, default="", editable=False)
    """The digest of a token of the browser in which a visitor began it (``claims``); empty in those of an account."""
    assistant = models.CharField(_("assistant"), max_length=64, default="default", editable=False)
    about_model = models.CharField(_("model of the object"), max_length=100, blank=True, editable=False)
    about_key = models.CharField(_("key of the object"), max_length=255, blank=True, editable=False)
    """The object that the conversation is about: its model as ``app_label.model_name``, its primary key as text."""
    running = models.OneToOneField(
        "Message",
        models.SET_NULL,
        verbose_name=_("running answer"),
        null=True,
        blank=True,
        editable=False,
        related_name="running_in",
    )
    tip = models.ForeignKey(
        "Message",
        models.SET_NULL,
        verbose_name=_("last message"),
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    unread = models.BooleanField(_("unread"), default=False, editable=False)
    pinned = models.BooleanField(_("pinned"), default=False, editable=False)
    deleted_at = models.DateTimeField(_("deleted at"), null=True, blank=True, editable=False, db_index=True)
    """Set while a deletion can be undone, by the database's clock; ``Owner.conversations`` leaves the row out then."""
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), db_index=True)

    objects = ConversationManager()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("conversation")
        verbose_name_plural = _("conversations")
        constraints: ClassVar = [models.UniqueConstraint(fields=["owner", "uid"], name="llm_chat_owner_uid")]

    def __str__(self) -> str:
        return self.title or self.uid

    def lineage(self, last: int | None) -> Iterator[tuple[int, int | None]]:
        """Yield the keys of each message and its parent, from ``last`` up to the first one; read them in batches."""
        keys = self.message_set.order_by("-pk").values_list("pk", "parent_id")
        while last is not None:
            wanted: int | None = last
            for pk, parent in keys.filter(pk__lte=last)[:SLICE]:  # a parent is always older than its child
                if pk == wanted:
                    yield pk, parent
                    wanted = parent
            if wanted == last:  # the message was deleted meanwhile
                return
            last = wanted

    def newest_under(self, message: int) -> int:
        """Return the key of the tip of the newest branch under ``message``: its own, if it has no children."""
        under = {message}
        newer = self.message_set.filter(pk__gt=message).order_by("pk").values_list("pk", "parent_id")
        for pk, parent in newer:
            if parent in under:
                under.add(pk)
        return max(under)


class Message(models.Model):
    """A question or an answer: a list of parts, and their plain text for search, export and the admin."""

    class Role(models.TextChoices):
        """The author of a message: the visitor or the model."""

        USER = "user", _("user")
        ASSISTANT = "assistant", _("assistant")

    class Status(models.TextChoices):
        """The state of a message; a question is always complete."""

        RUNNING = "running", _("running")
        WAITING = "waiting", _("waiting for a decision")
        COMPLETE = "complete", _("complete")
        CUT = "cut", _("cut")
        STOPPED = "stopped", _("stopped")
        FAILED = "failed", _("failed")
        INTERRUPTED = "interrupted", _("interrupted")

    conversation = models.ForeignKey(
        Conversation,
        models.CASCADE,
        verbose_name=_("conversation"),
        db_index=False,  # llm_chat_message_order begins with it
    )
    parent = models.ForeignKey(
        "self", models.CASCADE, verbose_name=_("previous message"), null=True, blank=True, related_name="children"
    )
    uid = models.CharField(_("UID"), max_length=64, editable=False)
    role = models.CharField(_("role"), max_length=16, choices=Role)
    status = models.CharField(_("status"), max_length=16, choices=Status, default=Status.COMPLETE)
    parts = models.JSONField(_("parts"), default=list)
    text = models.TextField(_("text"), blank=True)
    has_calls = models.BooleanField(_("has calls of tools"), default=False, editable=False)
    error = models.CharField(_("error"), max_length=32, blank=True)
    finish_reason = models.CharField(_("finish reason"), max_length=32, blank=True)
    model = models.CharField(_("model"), max_length=200, blank=True)
    usage = models.JSONField(_("usage"), null=True, blank=True)
    attempt = models.CharField(  # noqa: DJ001 (unique where given)
        _("attempt"), max_length=64, null=True, blank=True, editable=False
    )
    stopping = models.BooleanField(_("stopping"), default=False, editable=False)
    calling = models.JSONField(_("call of the model"), null=True, blank=True, editable=False)
    """The call of the model that is under way, as ``db.usage.Calling`` describes it."""
    run = models.PositiveSmallIntegerField(_("run"), default=0, editable=False)
    """The number of its last run, from 0. After a decision, an answer goes on in another run, with another stream."""
    process = models.ForeignKey(
        Process,
        models.SET_NULL,
        verbose_name=_("process"),
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)

    siblings: tuple[str, ...] = ()
    """The ``uid`` of each version of this message, including its own, oldest first, if ``db.branches`` has set them."""

    calls: "Mapping[str, ToolCall]" = MappingProxyType({})
    """The calls of tools that ``parts`` name, by their ``uid``. Reading a message from the database reads them too."""

    objects = MessageManager()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["conversation", "uid"], name="llm_chat_message_uid"),
            models.UniqueConstraint(fields=["conversation", "attempt"], name="llm_chat_message_attempt"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["conversation", "-id"], name="llm_chat_message_order"),
            # Databases without partial indexes have none: one over all messages would cost every answer some time.
            models.Index(fields=["id"], name="llm_chat_message_waiting", condition=models.Q(status="waiting")),
        ]

    def __str__(self) -> str:
        return f"{self.get_role_display()}: {self.text[:60]}"

    @classmethod
    def check(cls, **kwargs: Any) -> list[CheckMessage]:
        """Leave out the warning that a database has no partial indexes: it can do without this one."""
        return [found for found in super().check(**kwargs) if found.id != "models.W037"]


class RunningAnswer(Message):
    """An answer that runs, as the admin lists it. Who may see messages may see it, who may change them may stop it."""

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = _("running answer")
        verbose_name_plural = _("running answers")

    def __str__(self) -> str:
        return str(self.pk)


class WaitingAnswer(Message):
    """An answer that waits for a decision, as the admin lists it; the permissions are those of ``RunningAnswer``."""

    class Meta:
        proxy = True
        default_permissions = ()
        verbose_name = _("waiting answer")
        verbose_name_plural = _("waiting answers")

    def __str__(self) -> str:
        return str(self.pk)


class ToolCall(models.Model):
    """One use of a tool by an answer. What was done is in this row; the answer's part only names it."""

    class State(models.TextChoices):
        """The state of a call. All but ``asked``, ``allowed`` and ``running`` are final."""

        ASKED = "asked", _("asked")
        ALLOWED = "allowed", _("allowed")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")
        UNKNOWN = "unknown", _("unknown")
        DENIED = "denied", _("denied")
        EXPIRED = "expired", _("expired")

    message = models.ForeignKey(Message, models.CASCADE, verbose_name=_("message"), related_name="tool_calls")
    uid = models.CharField(_("UID"), max_length=64, unique=True, editable=False)
    step = models.PositiveSmallIntegerField(_("step"), editable=False)
    """The number of the model's call, within the answer, that asked for it; from 0."""
    name = models.CharField(_("tool"), max_length=64, editable=False)
    input = models.JSONField(_("input"), default=dict, editable=False)
    state = models.CharField(_("state"), max_length=16, choices=State, default=State.RUNNING, editable=False)
    output = models.JSONField(_("output"), null=True, blank=True, editable=False)
    error = models.TextField(_("error"), blank=True, editable=False)
    question = models.TextField(_("question"), blank=True, editable=False)
    """What the visitor was asked before it may run, in the language of the page; empty if nothing was asked."""
    expires_at = models.DateTimeField(_("expires at"), null=True, blank=True, editable=False)
    """Until when the question can be answered; ``None``: without end."""
    language = models.CharField(_("language"), max_length=32, blank=True, editable=False)
    """That of the page that asked, for the rest of the answer."""
    ends_answer = models.BooleanField(_("ends the answer"), default=False, editable=False)
    """Whether the model is not asked afterwards, because a button called it that wants no answer."""
    decided_by = models.CharField(_("decided by"), max_length=KEY_LENGTH, blank=True, editable=False)
    """The key of the owner who decided."""
    decided_at = models.DateTimeField(_("decided at"), null=True, blank=True, editable=False)
    reason = models.CharField(_("reason"), max_length=REASON_LENGTH, blank=True, editable=False)
    """What the visitor gave as a reason for the decision."""
    backend = models.CharField(_("backend"), max_length=100, blank=True, editable=False)
    model_id = models.CharField(_("ID of the model"), max_length=255, blank=True, editable=False)
    extra = models.JSONField(_("further fields of the model"), default=dict, blank=True, editable=False)
    started_at = models.DateTimeField(_("started at"), auto_now_add=True)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True, editable=False)

    objects = OwnDatabase["ToolCall"]()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("tool call")
        verbose_name_plural = _("tool calls")

    def __str__(self) -> str:
        return f"{self.name}: {self.get_state_display()}"

    @property
    def is_over(self) -> bool:
        """Tell whether the call has ended, so that a model may read it."""
        return self.state not in UNFINISHED

    @property
    def is_expired(self) -> bool:
        """Tell whether the visitor was asked, and has not answered in time. No row is written for that."""
        asked = self.state == self.State.ASKED
        return self.state == self.State.EXPIRED or (asked and self.expires_at is not None and self.expires_at <= now())


UNFINISHED = (ToolCall.State.ASKED, ToolCall.State.ALLOWED, ToolCall.State.RUNNING)
"""The states of calls whose result is still to come."""


class Feedback(models.Model):
    """A visitor's rating of an answer."""

    class Value(models.IntegerChoices):
        """A rating of an answer."""

        GOOD = 1, _("good")
        BAD = -1, _("bad")

    message = models.OneToOneField(Message, models.CASCADE, verbose_name=_("message"))
    value = models.SmallIntegerField(_("rating"), choices=Value)
    comment = models.TextField(_("comment"), blank=True, max_length=COMMENT_LENGTH)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)

    objects = OwnDatabase["Feedback"]()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("feedback")
        verbose_name_plural = _("feedback")

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.get_value_display(), self.comment[:60])))


class Share(models.Model):
    """A copy of a conversation that everybody can read who has its link, until it is deleted."""

    uid = models.CharField(_("UID"), max_length=64, unique=True, editable=False)
    conversation = models.ForeignKey(
        Conversation, models.CASCADE, verbose_name=_("conversation"), related_name="shares", editable=False
    )
    title = models.CharField(_("title"), max_length=TITLE_LENGTH, blank=True, editable=False)
    messages = models.JSONField(_("messages"), default=list, editable=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    objects = OwnDatabase["Share"]()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("share link")
        verbose_name_plural = _("share links")

    def __str__(self) -> str:
        return self.title or self.uid
