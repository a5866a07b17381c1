"""The managers of the models, and what happens to conversations when their user is deleted."""

from typing import TYPE_CHECKING, Any, TypeVar

from django.db import models, router

from .owners import Owner

if TYPE_CHECKING:
    from .models import Conversation  # noqa: F401 (the string below names it)

ModelT = TypeVar("ModelT", bound=models.Model)


def cascade(collector: Any, field: Any, sub_objs: Any, using: str) -> None:
    """Delete a user's conversations with the user, where one database holds both.

    Where a router keeps them apart, the user's database has no such table: ``engine.signals`` deletes them then.
    """
    if using == router.db_for_write(field.model):
        models.CASCADE(collector, field, sub_objs, using)


cascade.lazy_sub_objs = True  # type: ignore[attr-defined]  # or Django would ask that table before it calls us


class OwnDatabase(models.Manager[ModelT]):
    """A manager that reads where the site's router writes: a replica may lack the question stored a moment ago."""

    def get_queryset(self) -> models.QuerySet[ModelT]:
        """Return all rows, in the database that the app writes to unless the manager was given another."""
        found = super().get_queryset()
        return found if self._db else found.using(router.db_for_write(self.model, **self._hints))  # type: ignore[attr-defined]


class ConversationQuerySet(models.QuerySet["Conversation"]):
    """Conversations. Every look-up starts here: another owner's conversation does not exist."""

    def of(self, owner: Owner) -> "ConversationQuerySet":
        """Return the conversations of one owner."""
        return self.filter(owner=owner.key)

    def listed(self, limit: int = 200) -> "ConversationQuerySet":
        """Return the newest conversations first, as the page lists them."""
        return self.order_by("-updated_at", "-pk")[:limit]


ConversationManager = OwnDatabase.from_queryset(ConversationQuerySet)
