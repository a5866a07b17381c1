"""The managers of the models, and the deletion of conversations together with their user."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from django.apps import apps
from django.db import models, router

from .parts import TOOL

if TYPE_CHECKING:
    from .models import Conversation, Message, ToolCall  # noqa: F401 (the strings below name them)

ModelT = TypeVar("ModelT", bound=models.Model)


def cascade(collector: Any, field: Any, sub_objs: Any, using: str) -> None:
    """Delete a user's conversations together with the user, if both are in the same database.

    If a router keeps them apart, the user's database has no such table; ``engine.signals`` deletes them then.
    """
    if using == router.db_for_write(field.model):
        models.CASCADE(collector, field, sub_objs, using)


cascade.lazy_sub_objs = True  # type: ignore[attr-defined]  # otherwise Django queries that table before the call


def keep_without_user(collector: Any, field: Any, sub_objs: Any, using: str) -> None:
    """Keep the ledger's rows of a deleted user, without the user and the owner's key.

    If a router keeps users in another database, ``engine.signals`` does so.
    """
    if using == router.db_for_write(field.model):
        collector.add_field_update(field.model._meta.get_field("owner"), "", sub_objs)  # first: both look for the user
        collector.add_field_update(field, None, sub_objs)


keep_without_user.lazy_sub_objs = True  # type: ignore[attr-defined]


class OwnDatabaseQuerySet(models.QuerySet[ModelT]):
    """A queryset that reads from the database that the app writes to, because a replica may lag behind."""

    @property
    def db(self) -> str:
        """Return the alias of that database, unless ``using`` or ``db_manager`` names another."""
        return self._db or router.db_for_write(self.model, **self._hints)  # type: ignore[attr-defined]


class OwnDatabase(models.Manager[ModelT]):
    """A manager whose querysets are ``OwnDatabaseQuerySet``."""

    _queryset_class = OwnDatabaseQuerySet


class ConversationQuerySet(OwnDatabaseQuerySet["Conversation"]):
    """A queryset of conversations. To find those of an owner, begin with ``Owner.conversations``."""

    def listed(self, limit: int = 200) -> "ConversationQuerySet":
        """Return at most ``limit`` conversations as the page lists them: pinned ones first, then the newest."""
        return self.with_waiting().order_by("-pinned", "-updated_at", "-pk")[:limit]

    def with_waiting(self) -> "ConversationQuerySet":
        """Annotate each conversation with ``waiting``: whether the answer at its tip waits for a decision."""
        return self.annotate(waiting=models.Case(models.When(tip__status="waiting", then=True), default=False))


ConversationManager = OwnDatabase.from_queryset(ConversationQuerySet)


class MessageQuerySet(OwnDatabaseQuerySet["Message"]):
    """A queryset of messages that also reads the calls of their tools, by one more query if there are any."""

    def _fetch_all(self) -> None:
        fetched = self._result_cache is not None
        super()._fetch_all()
        if not fetched:
            read_calls(found for found in self._result_cache or () if isinstance(found, self.model))


def read_calls(messages: "Iterable[Message]") -> None:
    """Set ``Message.calls`` of messages whose parts name calls."""
    with_calls = [message for message in messages if message.__dict__.get("has_calls") and "parts" in message.__dict__]
    if not with_calls:
        return
    wanted = {uid for message in with_calls for uid in uids_in(message.parts)}
    calls: type[ToolCall] = apps.get_model(with_calls[0]._meta.app_label, "ToolCall")
    found = {call.uid: call for call in calls.objects.filter(uid__in=wanted)}
    for message in with_calls:
        message.calls = {uid: found[uid] for uid in uids_in(message.parts) if uid in found}


def uids_in(parts: Iterable[dict[str, Any]]) -> list[str]:
    """Return the ``uid`` of each call that stored parts name, in their order."""
    return [part["call"] for part in parts if part["type"] == TOOL]


MessageManager = OwnDatabase.from_queryset(MessageQuerySet)
