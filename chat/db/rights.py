"""Reads what the rights of users and sessions depend on, for all sockets of a process at once.

A user's fingerprint changes when something does that the user's rights may depend on: a column of the user, the groups
and permissions, or the permissions of a group. What that means is found out by the code that admits a socket.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.db import models, router
from django.db.models import Count, F, Sum, TextField, Value
from django.db.models.functions import Cast
from django.db.models.functions.text import ConcatPair

from ..owners import Owner
from . import sessions
from .values import Subject

BATCH = 5_000
"""How many users and sessions one query asks about. Each is up to four parameters; SQLite takes 32,766 of them."""

UNWATCHED = (
    *(models.DateField, models.DurationField, models.TimeField, models.GeneratedField),
    *(models.BinaryField, models.FileField, models.JSONField, models.TextField),
)
"""Kinds of columns on which no right depends: times, such as that of the last visit, and what may be large."""

USER, MEMBER, PERMISSION, GROUP, SESSION = range(5)
"""The kinds of rows: a user, its groups and permissions, what the groups may do, and sessions."""


class Found(NamedTuple):
    """What is there of the users and sessions that were asked about."""

    users: dict[Any, bytes]
    """The fingerprints of the users, by their primary keys."""
    sessions: set[str]
    """The keys of the sessions that have not ended."""


def look(users: Collection[Any], session_keys: Collection[str]) -> Found:
    """Read the fingerprints of users, and find the sessions that have not ended.

    That takes one query if users and sessions are in one database; for more than ``BATCH`` of them, a few. Raises
    ``django.db.Error``, and whatever the cache raises in which the site keeps its sessions.
    """
    found = Found({}, set())
    for some_users, some_keys in _batches(list(users), list(session_keys)):
        of_sessions = sessions.rows(some_keys) if some_keys else None
        if some_keys and of_sessions is None:
            found.sessions.update(sessions.present(some_keys))
        queries = [*_of_users(some_users), *([] if of_sessions is None else [_session_rows(of_sessions)])]
        _collect(_rows(queries), found)
    return found


def subjects_of(owner: Owner, uids: Collection[str]) -> dict[str, Subject]:
    """Return the subjects of those of the owner's conversations that have one of these ``uid``s."""
    return {found.uid: Subject.of(found) for found in owner.conversations.filter(uid__in=uids)}


def _batches(users: list[Any], keys: list[str]) -> Iterator[tuple[list[Any], list[str]]]:
    for start in range(0, max(len(users), len(keys)), BATCH):
        yield users[start : start + BATCH], keys[start : start + BATCH]


def _rows(queries: Iterable["models.QuerySet[Any, Any]"]) -> Iterator[tuple[int, Any, str]]:
    """Run the queries of each database as one."""
    by_database: defaultdict[str, list[models.QuerySet[Any, Any]]] = defaultdict(list)
    for query in queries:
        by_database[query.db].append(query)
    for first, *rest in by_database.values():
        yield from first.union(*rest, all=True) if rest else first


def _collect(rows: Iterable[tuple[int, Any, str]], found: Found) -> None:
    of_users: defaultdict[Any, list[tuple[int, str]]] = defaultdict(list)
    groups: dict[str, str] = {}
    for kind, user, text in rows:
        if kind == SESSION:
            found.sessions.add(text)
        elif kind == GROUP:
            _, key, permissions = text.split(":", 2)
            groups[key] = permissions
        else:
            of_users[user].append((kind, text))
    for user, parts in of_users.items():
        if any(kind == USER for kind, _ in parts):
            permitted = [groups.get(text, "") for kind, text in sorted(parts) if kind == MEMBER]
            found.users[user] = blake2b(repr((sorted(parts), permitted)).encode(), digest_size=16).digest()


def _of_users(users: Sequence[Any]) -> Iterator["models.QuerySet[Any, Any]"]:
    """Yield the queries about users. A user model of the site's own may have no groups and permissions."""
    if not users:
        return
    model: Any = get_user_model()
    alias = router.db_for_write(model)
    columns = [field for field in model._meta.concrete_fields if not isinstance(field, UNWATCHED)]
    there = model._default_manager.using(alias).filter(pk__in=users).order_by()
    yield there.values_list(_kind(USER), "pk", _joined([_text(field.attname) for field in columns]))
    for kind, name in ((MEMBER, "groups"), (PERMISSION, "user_permissions")):
        field = next((field for field in model._meta.many_to_many if field.name == name), None)
        if field is None:
            continue
        user, other = f"{field.m2m_field_name()}_id", f"{field.m2m_reverse_field_name()}_id"
        links = field.remote_field.through._base_manager.using(alias).filter(**{f"{user}__in": users}).order_by()
        yield links.values_list(_kind(kind), user, _text(other))
        permissions = getattr(field.related_model, "permissions", None) if kind == MEMBER else None
        if permissions is not None:
            yield _group_rows(permissions.field, links.values(other), alias)


def _group_rows(field: Any, groups: Any, alias: str) -> Any:
    """Return a row for each of some groups, which stands for its permissions without naming them all."""
    group, permission = f"{field.m2m_field_name()}_id", f"{field.m2m_reverse_field_name()}_id"
    numbers = [Count(permission), Sum(permission), Sum(F(permission) * F(permission))]
    links = field.remote_field.through._base_manager.using(alias).filter(**{f"{group}__in": groups}).order_by()
    summary = links.values(group).annotate(summary=_joined([_text(part) for part in (group, *numbers)]))
    return summary.values_list(_kind(GROUP), _nobody(), "summary")


def _session_rows(rows: "models.QuerySet[Any]") -> "models.QuerySet[Any, Any]":
    return rows.order_by().values_list(_kind(SESSION), _nobody(), _text("session_key"))


def _kind(kind: int) -> Value:
    return Value(kind, output_field=models.IntegerField())


def _nobody() -> Cast:
    """Return the primary key of no user. Cast, because PostgreSQL takes a NULL without a type for text."""
    key: Any = get_user_model()._meta.pk
    while key.remote_field is not None:
        key = key.target_field
    return Cast(Value(None), key)


def _joined(texts: Sequence[Any]) -> Any:
    """Return several texts as one, each behind a colon. SQLite parses no deep nesting, so that is kept flat."""
    if len(texts) == 1:
        return ConcatPair(Value(":", TextField()), texts[0], output_field=TextField())
    half = len(texts) // 2
    return ConcatPair(_joined(texts[:half]), _joined(texts[half:]), output_field=TextField())


def _text(value: Any) -> Cast:
    """Return a value as text, so that all rows have columns of the same types."""
    return Cast(value, TextField())
