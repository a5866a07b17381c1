"""The managers of the models, and the deletion of conversations together with their user."""

from typing import TYPE_CHECKING, Any, TypeVar

from django.db import models, router

if TYPE_CHECKING:
    from .models import Conversation  # noqa: F401 (the string below names it)

ModelT = TypeVar("ModelT", bound=models.Model)


def cascade(collector: Any, field: Any, sub_objs: Any, using: str) -> None:
    """Delete a user's conversations together with the user, if both are in the same database.

    If a router keeps them apart, the user's database has no such table; ``engine.signals`` deletes them then.
    """
    if using == router.db_for_write(field.model):
        models.CASCADE(collector, field, sub_objs, using)


cascade.lazy_sub_objs = True  # type: ignore[attr-defined]  # otherwise Django queries that table before the call


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
        return self.order_by("-pinned", "-updated_at", "-pk")[:limit]


ConversationManager = OwnDatabase.from_queryset(ConversationQuerySet)
