"""Makes the backends of a site: in each process, one object per entry of ``CHAT["BACKENDS"]``."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.core.exceptions import ImproperlyConfigured

from ..conf import conf
from ..importing import import_path
from .base import Backend


class Entry(NamedTuple):
    """One entry of ``CHAT["BACKENDS"]``: a dotted path and the keyword arguments of its class."""

    path: str
    options: dict[str, Any]


def entry_of(alias: str) -> Entry:
    """Return the entry under ``alias``. Raises ``ImproperlyConfigured`` if it is missing or malformed."""
    backends = conf.backends
    if alias not in backends:
        there = ", ".join(f'"{name}"' for name in backends) or "nothing"
        raise ImproperlyConfigured(f'CHAT["BACKENDS"] must have an entry "{alias}", got {there}.')
    match entry := backends[alias]:
        case {"BACKEND": str(path), "OPTIONS": dict(options)}:
            return Entry(path, options)
        case {"BACKEND": str(path)} if "OPTIONS" not in entry:
            return Entry(path, {})
    expected = '{"BACKEND": "dotted.path", "OPTIONS": {...}}'
    raise ImproperlyConfigured(f'CHAT["BACKENDS"]["{alias}"] must be {expected}, got {_kinds(entry)}.')


def _kinds(entry: object) -> str:
    """Describe an entry without its values, because an option may be a secret."""
    if not isinstance(entry, dict):
        return f"a value of type {type(entry).__name__}"
    return "{" + ", ".join(f"{name!r}: a {type(value).__name__}" for name, value in entry.items()) + "}"


def backend_class(entry: Entry) -> type[Backend]:
    """Import the class of an entry. Raises ``ImproperlyConfigured`` if it is not a backend."""
    try:
        cls = import_path(entry.path)
    except Exception as error:  # a site's module may raise anything
        raise ImproperlyConfigured(f'The backend "{entry.path}" cannot be imported: {_reason(error)}') from error
    if not (isinstance(cls, type) and issubclass(cls, Backend)):
        base = f"{Backend.__module__}.{Backend.__qualname__}"
        raise ImproperlyConfigured(f'The backend "{entry.path}" must be a subclass of {base}.')
    return cls


def make(entry: Entry) -> Backend:
    """Make the backend of an entry. Raises ``ImproperlyConfigured`` if its class or its options are wrong."""
    cls = backend_class(entry)
    try:
        return cls(**entry.options)
    except Exception as error:
        raise ImproperlyConfigured(f'The OPTIONS of the backend "{entry.path}" are wrong: {_reason(error)}') from error


def _reason(error: Exception) -> str:
    """Return the text of an error, with its class where the text alone says little."""
    self_explanatory = isinstance(error, ImportError | TypeError | ValueError | ImproperlyConfigured)
    return str(error) if self_explanatory else f"{type(error).__name__}: {error}"


def max_message_length(alias: str) -> int:
    """Return the smaller of the site's and a model's limits for a message, in characters."""
    limit = conf.max_message_length
    return min(limit, backend_class(entry_of(alias)).max_message_length or limit)


class Named(NamedTuple):
    """A backend and its alias."""

    alias: str
    backend: Backend


class Backends:
    """The backends of one process, each made on first use, and again when the setting has changed."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[Any, Backend]] = {}
        """For each alias, the unchecked value of the setting, and the backend made from it."""
        self._replaced: list[Backend] = []

    def named(self, aliases: Sequence[str]) -> list[Named]:
        """Return the backends of these aliases. Raises ``ImproperlyConfigured``."""
        return [Named(alias, self[alias]) for alias in aliases]

    def __getitem__(self, alias: str) -> Backend:
        given, made = conf.backends.get(alias), self._made.get(alias)
        if made is None or made[0] != given:
            new = make(entry_of(alias))
            if made is not None:
                self._replaced.append(made[1])
            self._made[alias] = made = (given, new)
        return made[1]

    async def close(self) -> None:
        """Close every backend that was made, including those that a changed setting has replaced."""
        made = [backend for _, backend in self._made.values()] + self._replaced
        self._made.clear()
        self._replaced.clear()
        for backend in made:
            await backend.close()


_named = Backends()
"""Backends that are only asked for the names of their models, so they hold no connections."""


def model_of(alias: str) -> str:
    """Return the name of a model, which may be empty. Raises ``ImproperlyConfigured``."""
    return _named[alias].model
