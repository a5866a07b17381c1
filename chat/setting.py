"""One setting of ``CHAT``: how its value is read and checked, and its row in the docs."""

from collections.abc import Callable, Mapping
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, cast, overload

from django.core.exceptions import ImproperlyConfigured

from .importing import import_path

T = TypeVar("T")
Prompt = str | Callable[..., str]
MISSING = object()

SHORTEST_TOKEN = 16
"""How many characters a token needs, so that nobody guesses it."""


class Kind(NamedTuple, Generic[T]):
    """The type of a setting."""

    read: Callable[[Any], T]
    accepts: Callable[[Any], bool]
    expected: str
    """Completes the sentence "must be ..." about a value that is not accepted."""
    unit: str = ""
    complain: Callable[[Any], str] | None = None
    """For a value with a grammar of its own: says what is wrong, behind the setting's name; empty if nothing is."""


class Source(Protocol):
    """An object with settings; ``conf`` is one."""

    @property
    def values(self) -> Mapping[str, Any]:
        """Return the site's values by name."""


class Setting(Generic[T]):
    """A row of ``conf.Conf``: an attribute with the site's current value of the setting of the same name in capitals.

    Args:
        kind: how a value is read and checked, and its unit.
        default: the value if the site sets none.
        help: what the setting does, for the table in the README; in Markdown, without a full stop.
        shown: the default as the docs write it, if its ``repr`` says little.
        secret: whether messages must not quote the value.
    """

    name = ""

    def __init__(self, kind: Kind[T], default: T, help: str, *, shown: str = "", secret: bool = False) -> None:  # noqa: A002
        self.kind = kind
        self.default = default
        self.help = help
        self.secret = secret
        self._shown = shown
        self._read = kind.read

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name.upper()

    @overload
    def __get__(self, conf: None, owner: type) -> "Setting[T]": ...

    @overload
    def __get__(self, conf: Source, owner: type) -> T: ...

    def __get__(self, conf: Source | None, owner: type) -> "T | Setting[T]":
        if conf is None:
            return self
        value: Any = conf.values.get(self.name, MISSING)
        if value is MISSING:
            return self.default
        try:
            return self._read(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise ImproperlyConfigured(self.complaint(value)) from error

    def complaint(self, value: Any) -> str:
        """Say what is wrong with a value, what was expected and what was given; empty if the value is accepted."""
        if self.kind.complain is not None:
            found = self.kind.complain(value)
            return f'CHAT["{self.name}"]{found}' if found else ""
        if self.kind.accepts(value):
            return ""
        given = f"a value of type {type(value).__name__}" if self.secret else repr(value)
        return f'CHAT["{self.name}"] must be {self.kind.expected}, got {given}.'

    @property
    def row(self) -> str:
        """Write the setting's row of the table in the README: name, default with its unit, description."""
        quoted = f'"{self.default}"' if isinstance(self.default, str) else repr(self.default)
        default = self._shown or f"`{quoted}` {self.kind.unit}".strip()
        return f"| `{self.name}` | {default} | {self.help} |"


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _integer(value: Any) -> bool:
    if isinstance(value, float):
        return value.is_integer()  # such as 1e6
    return isinstance(value, int) and not isinstance(value, bool)


def _prompt(value: Any) -> Prompt:
    """Return a prompt as it is, or import the callable that a dotted path names.

    Raises ``ImproperlyConfigured`` if the path cannot be imported.
    """
    if isinstance(value, str) and value.replace(".", "").isidentifier() and "." in value.strip("."):
        try:
            return cast(Callable[..., str], import_path(value))
        except ImportError as error:
            raise ImproperlyConfigured(f'CHAT["SYSTEM_PROMPT"] "{value}" cannot be imported: {error}') from error
    return cast(Prompt, value)


def choice(*values: str) -> Kind[str]:
    """Make the kind of a setting whose value is one of these strings."""
    return Kind(str, lambda value: value in values, " or ".join(f'"{value}"' for value in values))


def table(complain: Callable[[Any], str]) -> Kind[dict[str, Any]]:
    """Make the kind of a setting that is a dictionary with a grammar of its own, of which ``complain`` says errors."""

    def read(value: Any) -> dict[str, Any]:
        if complain(value):
            raise ValueError("The value does not fit the grammar.")
        return dict(value)

    return Kind(read, lambda value: not complain(value), "a dictionary", complain=complain)


SECONDS = Kind(float, _positive, "a positive number of seconds", "s")
DURATION = Kind(
    float,
    lambda value: isinstance(value, int | float) and not isinstance(value, bool) and value >= 0,
    "a number of seconds, 0 or more",
    "s",
)
PER_SECOND = Kind(float, _positive, "a positive number", "per second")
COUNT = Kind(int, lambda value: _integer(value) and value > 0, "a positive integer")
CHARACTERS = COUNT._replace(unit="characters")
BYTES = COUNT._replace(unit="bytes")
NON_NEGATIVE = Kind(int, lambda value: _integer(value) and value >= 0, "a non-negative integer")
FLAG = Kind(bool, lambda value: isinstance(value, bool), "True or False")
TEXT = Kind(str, lambda value: isinstance(value, str), "a string")
PATH = Kind(str, lambda value: isinstance(value, str) and value.startswith("/"), 'a path that begins with "/"')
PROMPT = Kind(_prompt, lambda value: isinstance(value, str) or callable(value), "a string or a callable")
METRICS = Kind[bool | str](
    lambda value: value if isinstance(value, str) else bool(value),
    lambda value: isinstance(value, bool) or (isinstance(value, str) and len(value) >= SHORTEST_TOKEN),
    f"True, False, or a token of {SHORTEST_TOKEN} characters or more",
)
DICTIONARY = Kind[dict[str, Any]](dict, lambda value: isinstance(value, dict), "a dictionary")
