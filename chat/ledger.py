"""The ledger: what each call of a model has used and cost, and how much of the limits is used."""

from decimal import Decimal
from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from .conf import conf
from .managers import OwnDatabase, keep_without_user
from .prices import Price
from .tokens import Tokens

KEY_LENGTH = 80
"""Length limit of ``Conversation.owner`` and ``Usage.owner``, the key of an owner, in characters."""

PLACES = 12
"""Decimal places of a cost: a token may cost a millionth of a cent."""


class Usage(models.Model):
    """One call of a model. The row outlives its conversation and its user. A figure that is not known is ``None``."""

    class Kind(models.TextChoices):
        """The purpose of a call."""

        ANSWER = "answer", _("answer")
        TITLE = "title", _("title")

    class Outcome(models.TextChoices):
        """How a call ended."""

        COMPLETE = "complete", _("complete")
        CUT = "cut", _("cut")
        STOPPED = "stopped", _("stopped")
        FAILED = "failed", _("failed")
        INTERRUPTED = "interrupted", _("interrupted")

    class Source(models.TextChoices):
        """Where the counts of tokens come from: the endpoint's report, or the lengths of the texts."""

        EXACT = "exact", _("exact")
        ESTIMATED = "estimated", _("estimated")
        UNKNOWN = "unknown", _("unknown")

    owner = models.CharField(_("owner"), max_length=KEY_LENGTH, blank=True, editable=False)
    """The key of the conversation's owner; empty when the user is deleted."""
    user = models.ForeignKey(
        conf.user_model,
        keep_without_user,
        verbose_name=_("user"),
        db_constraint=conf.user_constraint,
        db_index=False,  # llm_chat_usage_user begins with it
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    assistant = models.CharField(_("assistant"), max_length=64, editable=False)
    backend = models.CharField(_("backend"), max_length=100, blank=True, editable=False)
    """Its alias in ``CHAT["BACKENDS"]``."""
    model = models.CharField(_("model"), max_length=200, blank=True, editable=False)
    message = models.ForeignKey(
        "Message",
        models.SET_NULL,
        verbose_name=_("answer"),
        db_index=False,  # llm_chat_usage_call begins with it
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    kind = models.CharField(_("kind"), max_length=16, choices=Kind, default=Kind.ANSWER, editable=False)
    step = models.PositiveSmallIntegerField(_("step"), default=0, editable=False)
    """The number of the step within the answer, from 0."""
    attempt = models.PositiveSmallIntegerField(_("attempt"), default=0, editable=False)
    """The number of the call within the step, from 0: a call that fails is repeated, or made with another backend."""
    outcome = models.CharField(
        _("outcome"), max_length=16, choices=Outcome, default=Outcome.INTERRUPTED, editable=False
    )
    source = models.CharField(_("source"), max_length=16, choices=Source, default=Source.UNKNOWN, editable=False)
    input_tokens = models.PositiveIntegerField(_("input"), null=True, blank=True, editable=False)
    cached_tokens = models.PositiveIntegerField(_("cached"), null=True, blank=True, editable=False)
    """Those of the input that the endpoint had in its cache."""
    output_tokens = models.PositiveIntegerField(_("output"), null=True, blank=True, editable=False)
    reasoning_tokens = models.PositiveIntegerField(_("reasoning"), null=True, blank=True, editable=False)
    """Those of the output that were reasoning."""
    cost = models.DecimalField(
        _("cost"), max_digits=PLACES + 12, decimal_places=PLACES, null=True, blank=True, editable=False
    )
    currency = models.CharField(_("currency"), max_length=3, blank=True, editable=False)
    prices = models.JSONField(_("prices"), null=True, blank=True, editable=False)
    """What a million tokens cost when the call was made, as texts by the names ``input``, ``cached``, ``output``."""
    started_at = models.DateTimeField(_("started at"), editable=False)

    objects = OwnDatabase["Usage"]()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("call of a model")
        verbose_name_plural = _("usage")
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["message", "kind", "step", "attempt"], name="llm_chat_usage_call")
        ]
        indexes: ClassVar = [
            models.Index(fields=["started_at"], name="llm_chat_usage_time"),
            models.Index(fields=["user", "started_at"], name="llm_chat_usage_user"),
        ]

    def __str__(self) -> str:
        return f"{self.model}: {self.get_source_display()}"

    @property
    def tokens(self) -> Tokens:
        """Return the counts of tokens."""
        return Tokens(self.input_tokens, self.cached_tokens, self.output_tokens, self.reasoning_tokens)

    def count(self, tokens: Tokens, source: str, price: Price | None) -> None:
        """Set the counts of tokens, and the cost if the price is known."""
        self.input_tokens, self.cached_tokens, self.output_tokens, self.reasoning_tokens = tokens
        self.source = source
        self.cost = self.prices = None
        self.currency = ""
        if price is not None:
            self.currency, self.prices = price.currency, price.frozen
            cost = price.cost(tokens)
            self.cost = None if cost is None else cost.quantize(Decimal(1).scaleb(-PLACES))


class Counter(models.Model):
    """How much of a limit is used in one window, by one of those whom it counts. ``db.counters`` names the rows."""

    name = models.CharField(_("name"), primary_key=True, max_length=255)
    used = models.BigIntegerField(_("used"), default=0)
    ends_at = models.DateTimeField(_("ends at"), db_index=True)
    """The end of the window; afterwards the row is removed."""

    objects = OwnDatabase["Counter"]()

    class Meta:
        base_manager_name = "objects"
        verbose_name = _("counter of a limit")
        verbose_name_plural = _("counters of limits")

    def __str__(self) -> str:
        return f"{self.name}: {self.used}"
