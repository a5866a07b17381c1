"""Tools: what a model may ask an assistant to do. A site declares them as methods."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from inspect import getattr_static
from math import isfinite
from typing import Any, NoReturn, TypeVar, overload

from django.core.exceptions import ImproperlyConfigured
from django.utils.functional import Promise

from ..text import storable_value
from .base import Assistant

F = TypeVar("F", bound=Callable[..., Any])

TIMEOUT = 10.0
"""How long a tool may take by default, in seconds."""

MAX_ARGUMENTS = 65_536
"""Length limit of the arguments of one call, in characters."""

_MARK = "_llm_chat_tool"
_CONFIRM = "confirm_"


def cached(function: F) -> F:
    """Keep what a function returns for each assistant."""
    return cache(function)  # type: ignore[return-value]


class ToolError(Exception):
    """Raised by a tool to say why it cannot do what it was asked. The model and the visitor read the text.

    Args:
        text: may be a lazy translation. If it is empty, they read that the tool failed.

    Raises:
        TypeError: it is not a text. The text of another exception may say more than they should read.
    """

    def __init__(self, text: str | Promise = "") -> None:
        _check_text("ToolError", text)
        super().__init__(text)


class ArgumentsError(Exception):
    """The arguments of a call do not fit its tool. The model reads the text."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What a tool is doing, for the visitor. A tool yields it while it runs.

    Args:
        text: may be a lazy translation.

    Raises:
        TypeError: it is not a text.
    """

    text: str | Promise

    def __post_init__(self) -> None:
        _check_text("Progress", self.text)


@dataclass(frozen=True, slots=True)
class Options:
    """The arguments of ``@tool``."""

    permission: str = ""
    timeout: float = TIMEOUT
    idempotent: bool = False
    confirm: bool = False
    expires: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool of an assistant, as models see it, and how its arguments are checked."""

    name: str
    description: str
    parameters: dict[str, Any]
    """The JSON schema of its arguments."""
    options: Options
    check: Callable[[dict[str, Any]], dict[str, Any]]
    """Converts arguments to the types of the method's parameters. Raises ``ArgumentsError``."""
    confirms: bool = False
    """Whether the assistant has a method ``confirm_<name>``."""

    @property
    def may_ask(self) -> bool:
        """Tell whether the visitor may be asked before a call."""
        return self.options.confirm or self.confirms

    def read(self, arguments: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Read the arguments of a call, in JSON.

        Return them as they are stored, and as the method gets them. Raises ``ArgumentsError``.
        """
        given = read_arguments(arguments)
        return given, self.check(given)


@overload
def tool(method: F, /) -> F: ...
@overload
def tool(
    *,
    permission: str = "",
    timeout: float = TIMEOUT,
    idempotent: bool = False,
    confirm: bool = False,
    expires: timedelta | None = None,
) -> Callable[[F], F]: ...
def tool(
    method: Any = None,
    /,
    *,
    permission: str = "",
    timeout: float = TIMEOUT,
    idempotent: bool = False,
    confirm: bool = False,
    expires: timedelta | None = None,
) -> Any:
    """Let the model call a method of an assistant.

    The model reads the method's name, the first paragraph of its docstring, and its parameters: their types, their
    defaults, and the lines ``name: text`` of the docstring. Synchronous tools run on ``CHAT["TOOL_THREADS"]`` threads,
    outside of transactions; asynchronous ones on the event loop. A tool may yield ``Progress``; then the last value
    that it yields is its result. The result must be plain data, as ``DjangoJSONEncoder`` writes it.

    Args:
        method: the method, if the decorator is used without parentheses.
        permission: as for ``user.has_perm``; the tool is hidden from visitors who lack it, and from those without an
            account.
        timeout: how long one call may take, in seconds.
        idempotent: whether calling it twice has the same effect as calling it once.
        confirm: whether the visitor is asked before each call. To ask in some cases only, or in other words, write a
            method ``confirm_<name of the tool>`` with the same parameters. It returns the question as a text, ``True``
            to ask the default question, or ``None`` or ``False`` not to ask.
        expires: how long the visitor can answer; without it, as long as the conversation is there.

    Raises:
        TypeError: what is decorated is not a method with a name, or an option has the wrong type.
    """
    options = Options(permission, timeout, idempotent, confirm, expires)
    if not isinstance(permission, str) or isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise TypeError("@tool expects permission as a string and timeout as a number of seconds.")
    if timeout <= 0:
        raise TypeError(f"@tool expects a timeout above 0 seconds, got {timeout!r}.")
    if not isinstance(confirm, bool):
        raise TypeError(f"@tool expects confirm as True or False, got {confirm!r}: write a method confirm_<tool>.")
    if expires is not None and not (isinstance(expires, timedelta) and expires > timedelta()):
        raise TypeError(f"@tool expects expires as a timedelta above 0, got {expires!r}.")

    def mark(function: Any) -> Any:
        if not callable(function) or not hasattr(function, "__qualname__") or isinstance(function, type):
            raise TypeError(f"@tool expects a method, got {function!r}.")
        setattr(function, _MARK, options)
        return function

    return mark if method is None else mark(method)


@cached
def has_tools(assistant: type[Assistant]) -> bool:
    """Tell whether an assistant declares any tool, whether right or wrong."""
    return any(True for _ in _marked(assistant))


@cached
def tools_of(assistant: type[Assistant]) -> dict[str, Tool]:
    """Return the tools of an assistant by their names, in the order of their definition.

    Raises ``ImproperlyConfigured`` with a sentence about the first one that is declared wrongly.
    """
    return {name: _made(assistant, name, function) for name, function in _marked(assistant)}


def wrong_tools(assistant: type[Assistant]) -> Iterator[str]:
    """Yield a sentence for each tool of an assistant that is declared wrongly."""
    names = {name for name, _ in _marked(assistant)}
    for name, function in _marked(assistant):
        try:
            _made(assistant, name, function)
        except ImproperlyConfigured as error:
            yield str(error)
    for hook in dir(assistant):
        if hook.startswith(_CONFIRM) and hook not in names and hook.removeprefix(_CONFIRM) not in names:
            yield f"{assistant.__name__}.{hook} asks before the tool {hook.removeprefix(_CONFIRM)}, which is not there."


def _made(assistant: type[Assistant], name: str, function: Callable[..., Any]) -> Tool:
    from .schema import made  # late: pydantic takes 0.2 s, and many sites have no tools

    hook = getattr_static(assistant, _CONFIRM + name, None)
    confirms = hook if callable(hook) and not hasattr(hook, _MARK) else None
    return made(assistant, name, function, getattr(function, _MARK), confirms)


def _marked(assistant: type[Assistant]) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the names and functions of the tools, those of base classes first."""
    names = dict.fromkeys(name for base in reversed(assistant.__mro__) for name in vars(base))
    for name in names:
        found = getattr_static(assistant, name, None)
        if hasattr(found, _MARK):
            yield name, found


def read_arguments(text: str) -> dict[str, Any]:
    """Read the arguments of a call. Models also send nothing, ``null``, or JSON within a string.

    Raises ``ArgumentsError``.
    """
    if len(text) > MAX_ARGUMENTS:
        raise ArgumentsError(f"The arguments may have {MAX_ARGUMENTS} characters.")
    found: Any = text
    for _ in range(2):
        if not isinstance(found, str):
            break
        try:
            found = json.loads(found, parse_constant=_refuse, parse_float=_finite) if found.strip() else {}
        except (ValueError, RecursionError):
            raise ArgumentsError("The arguments are not valid JSON.") from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ArgumentsError("The arguments must be a JSON object.")
    try:
        return dict(storable_value(found))
    except RecursionError:
        raise ArgumentsError("The arguments are nested too deeply.") from None


def _check_text(name: str, text: object) -> None:
    if not isinstance(text, str | Promise):
        raise TypeError(f"{name} expects a text, got {text!r}.")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON.")


def _finite(number: str) -> float:
    """Read a number. Databases hold no infinity, which Python makes of numbers such as 1e400."""
    found = float(number)
    return found if isfinite(found) else _refuse(number)
