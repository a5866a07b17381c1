"""The admin's view of the ledger: each call of a model, and above the list what they add up to."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db import router
from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.http import HttpRequest, HttpResponse
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from ..models import Usage
from .base import ReadOnly, conversation_link, owner_name, users_of

MOST = 100
"""How many groups are shown."""

SUMS = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")

WAYS = {"day": _("day"), "user": _("user"), "model": _("model"), "assistant": _("assistant")}
"""By what the rows can be added up."""


@dataclass
class Total:
    """What some calls add up to. Calls of which a figure is not known are left out of its sum, and counted."""

    name: str = ""
    calls: int = 0
    sums: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SUMS, 0))
    costs: dict[str, Decimal] = field(default_factory=dict)
    """By the currency."""
    estimated: int = 0
    without_tokens: int = 0
    without_cost: int = 0

    @property
    def counts(self) -> list[int]:
        """Return the sums of the tokens."""
        return list(self.sums.values())

    @property
    def cost(self) -> str:
        """Return the costs, each with its currency; empty if none is known."""
        return ", ".join(money(amount, currency) for currency, amount in sorted(self.costs.items()))

    def add(self, row: dict[str, Any]) -> None:
        """Add a row of the query."""
        self.calls += row["calls"]
        for name in SUMS:
            self.sums[name] += row[f"sum_{name}"] or 0
        if row["sum_cost"] is not None:
            self.costs[row["currency"]] = self.costs.get(row["currency"], Decimal(0)) + row["sum_cost"]
        self.estimated += row["estimated"]
        self.without_tokens += row["without_tokens"]
        self.without_cost += row["without_cost"]


class By(admin.SimpleListFilter):
    """Chooses by what the rows are added up; it filters none of them."""

    title = _("totals by")
    parameter_name = "by"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the ways."""
        return [(name, str(label).capitalize()) for name, label in WAYS.items()]

    def choices(self, changelist: Any) -> Any:
        """Leave out the choice of all."""
        for choice, name in zip(list(super().choices(changelist))[1:], WAYS, strict=True):
            yield {**choice, "selected": name == self.way}

    @property
    def way(self) -> str:
        """Return the chosen way."""
        value = self.value()
        return value if value in WAYS else "day"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return all rows."""
        return queryset


@admin.register(Usage)
class UsageAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """The calls of models, the newest first, and their totals by day, user, model or assistant."""

    list_display = (
        *("started_at", "owned_by", "assistant", "model", "kind", "outcome", "source"),
        *(*SUMS, "shown_cost", "conversation"),
    )
    list_select_related = ("message__conversation",)
    list_filter = (By, "kind", "source", "outcome", "assistant", "backend", "model", "currency")
    search_fields = ("owner",)
    date_hierarchy = "started_at"
    ordering = ("-started_at", "-pk")
    show_full_result_count = False
    fields = readonly_fields = (
        *("started_at", "owned_by", "owner", "assistant", "backend", "model", "conversation"),
        *("kind", "step", "attempt", "outcome", "source", *SUMS, "shown_cost", "prices"),
    )

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        """Return ``False``: what was spent stays in the ledger."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Usage]:
        """Load the users, and no message's text."""
        found: QuerySet[Usage] = super().get_queryset(request)
        return found.prefetch_related(users_of("user")).defer("message__text", "message__parts")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Add the totals of the rows that the filters leave."""
        response = super().changelist_view(request, extra_context)
        context = getattr(response, "context_data", None)
        if context and "cl" in context:
            by = next((spec for spec in context["cl"].filter_specs if isinstance(spec, By)), None)
            way = by.way if by else "day"
            context.update(totals_of(context["cl"].queryset, way), way=WAYS[way])
        return response

    @admin.display(description=_("user"), ordering="user_id")
    def owned_by(self, usage: Usage) -> str:
        """Name the user who asked, or say that it was a visitor without an account, the site, or somebody deleted."""
        return owner_name(usage.owner, usage.user)

    @admin.display(description=_("cost"), ordering="cost")
    def shown_cost(self, usage: Usage) -> str:
        """Return the cost with its currency; empty if it is not known."""
        return "" if usage.cost is None else money(usage.cost, usage.currency)

    @admin.display(description=_("conversation"))
    def conversation(self, usage: Usage) -> str:
        """Link to the conversation, if it is still there and kept."""
        return conversation_link(usage.message.conversation if usage.message else None)


def money(amount: Decimal, currency: str) -> str:
    """Return an amount with its currency: two decimal places, or as many as show two figures of a small one."""
    places = 2 if amount == 0 or amount >= 1 else max(2, 1 - amount.adjusted())
    return f"{amount:.{places}f} {currency}"


def totals_of(rows: QuerySet[Usage], way: str) -> dict[str, Any]:
    """Add up rows as a whole (``total``) and by one of ``WAYS``: the first ``MOST`` ``groups``, and how many are left.

    Days are those of the active time zone, the newest first; other groups begin with the one of the most calls.
    """
    key = TruncDate("started_at") if way == "day" else F("user_id" if way == "user" else way)
    unknown = Q(input_tokens=None) | Q(output_tokens=None)
    figures: dict[str, Any] = {f"sum_{name}": Sum(name) for name in (*SUMS, "cost")}
    figures |= {"calls": Count("pk"), "estimated": Count("pk", filter=Q(source=Usage.Source.ESTIMATED))}
    figures |= {"without_tokens": Count("pk", filter=unknown), "without_cost": Count("pk", filter=Q(cost=None))}
    total, groups = Total(), defaultdict[Any, Total](Total)
    found: Any = rows.order_by().values("currency", group=key).annotate(**figures)
    for row in found:
        total.add(row)
        groups[row["group"]].add(row)
    order = sorted(groups, reverse=True) if way == "day" else sorted(groups, key=lambda name: -groups[name].calls)
    names = _names(order[:MOST], way)
    for name in order[:MOST]:
        groups[name].name = names[name]
    return {"total": total, "groups": [groups[name] for name in order[:MOST]], "left": max(0, len(order) - MOST)}


def _names(keys: Sequence[Any], way: str) -> dict[Any, str]:
    """Return what the groups are called."""
    if way == "day":
        return {day: date_format(day) for day in keys}
    if way == "user":
        model = get_user_model()
        users = model._default_manager.using(router.db_for_read(model)).in_bulk(
            [key for key in keys if key is not None]
        )
        return {key: str(users.get(key, key)) if key is not None else gettext("Without a user") for key in keys}
    return {key: key or "-" for key in keys}
