"""The arguments of commands that name the owner of conversations: a user, or a visitor without an account."""

from argparse import ArgumentParser
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError
from django.db import router

from ..db.erasure import remaining
from ..owners import PREFIXES, Owner, key_of


class Named(NamedTuple):
    """An owner whom a command names."""

    owner: Owner
    about: dict[str, Any]
    """Who that is, as the export says it."""
    name: str
    """Who that is, in words."""


def add_owner_arguments(parser: ArgumentParser) -> None:
    """Add ``USER``, ``--pk`` and ``--visitor``, of which one has to be given."""
    field = get_user_model().USERNAME_FIELD
    parser.add_argument("user", nargs="?", metavar="USER", help=f"the user's {field}")
    parser.add_argument("--pk", help="the user's primary key, instead of USER")
    parser.add_argument("--visitor", metavar="KEY", help="the key of a visitor without an account, instead of USER")


def owner_named(user: str | None, pk: str | None, visitor: str | None) -> Named:
    """Return the owner whom the arguments name. Raises ``CommandError`` if they name none, or more than one."""
    given = [value for value in (user, pk, visitor) if value is not None]
    if len(given) != 1:
        raise CommandError("Name one owner: USER, or --pk PK, or --visitor KEY.")
    if visitor is not None:
        return _visitor(visitor)
    model = get_user_model()
    return _user("primary key", "pk", pk) if pk is not None else _user(model.USERNAME_FIELD, model.USERNAME_FIELD, user)


def _user(name: str, field: str, value: str | None) -> Named:
    model = get_user_model()
    try:
        found = model._base_manager.using(router.db_for_read(model)).filter(**{field: value}).first()
    except (ValueError, ValidationError):  # a text that is no key of this kind
        found = None
    if found is None:
        raise CommandError(f'There is no user ({model._meta.label}) whose {name} is "{value}".')
    username = str(found.get_username())
    about = {"kind": "user", "user": str(found.pk), "username": username}
    return Named(Owner(key_of(found.pk), found.pk), about, f'the user "{username}"')


def _visitor(key: str) -> Named:
    prefix = PREFIXES["anonymous"]
    owner = Owner(prefix + key.removeprefix(prefix))
    if not remaining(owner):
        raise CommandError(f'Nothing is stored about a visitor without an account whose key is "{key}".')
    return Named(owner, {"kind": "anonymous"}, f'the visitor "{key}"')
