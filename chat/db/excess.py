"""What an owner may have at once, in every site: running answers, and conversations without an account.

What the site itself asks by the Python API has neither limit.
"""

from typing import Any

from django.db.models import IntegerField, Subquery, Value
from django.db.models.lookups import LessThan
from django.db.models.sql import UpdateQuery

from ..conf import conf
from ..errors import Refusal
from ..models import Conversation
from ..owners import Owner
from .compiled import Sql, Statement, columns, sample

_WRITTEN = ("running", "tip", "unread", "updated_at", "claim")


class _Count(Subquery):
    """The number of rows of a query."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) counted)"
    output_field = IntegerField()


def claim(owner: str = "", *, new: bool = False) -> Statement:
    """Make the UPDATE that claims a conversation for an answer, unless its owner has too many running answers.

    ``owner`` is the column that all of the owner's conversations have in common: ``"user"`` or ``"owner"``. Without
    it, nothing is counted. With ``new``, the statement also looks at how many conversations the owner has. The values
    are those of the columns, the key of the conversation, and for each number the owner and the number that is too
    many.
    """
    owned = [*columns(Conversation, owner), IntegerField()] if owner else []

    def compile_for(alias: str) -> Sql:
        rows = Conversation._base_manager.filter(pk=1)
        if owner:
            mine = Conversation._base_manager.filter(**{owner: Value("1")}).order_by().values("pk")
            rows = rows.filter(LessThan(_Count(mine.filter(running__isnull=False)), 1))
            if new:
                rows = rows.filter(LessThan(_Count(mine), 1))
        query: Any = rows.query.chain(UpdateQuery)
        query.add_update_fields([(field, None, sample(field)) for field in written])
        sql, values = query.get_compiler(using=alias).as_sql()
        return sql, values

    written = columns(Conversation, *_WRITTEN)
    return Statement([*written, *columns(Conversation, "id"), *owned, *(owned if new else [])], compile_for)


def excess_of(conversation: Conversation, *, is_new: bool) -> Refusal | None:
    """Return the refusal of an owner who has too many running answers, or of a visitor with too many conversations.

    A conversation that ``is_new`` is stored already.
    """
    owner = Owner(conversation.owner, conversation.user_id)
    if owner.limited is None:
        return None
    by_user = owner.user_id is not None
    mine = Conversation.objects.filter(user=owner.user_id) if by_user else Conversation.objects.filter(owner=owner.key)
    if mine.filter(running__isnull=False).count() >= conf.max_running_per_owner:
        return Refusal("too_many_answers")
    if is_new and not by_user and mine.count() > conf.max_conversations_per_visitor:
        return Refusal("too_many_conversations")
    return None
