"""Makes the JSON schema of a tool from its signature and its docstring, and checks arguments against it."""

import inspect
import re
from collections.abc import Callable
from typing import Any, get_type_hints

from django.core.exceptions import ImproperlyConfigured
from pydantic import BaseModel, ConfigDict, Field, PydanticUserError, ValidationError, create_model
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError

from .base import Assistant
from .tools import ArgumentsError, Options, Tool

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""The names that endpoints accept. Source: https://platform.openai.com/docs/api-reference/chat/create (``tools``)."""

RESERVED = ("user", "request")
"""Names that no parameter may have: a model must never choose whose data it sees."""

MAX_COMPLAINT = 500
"""Length limit of what a model reads about wrong arguments, in characters."""

_NAMED, _VALUES = ("properties", "$defs", "patternProperties"), ("default", "const", "enum", "examples")
"""Keys of a JSON schema: those with schemas by their names, and those with values."""

_FIELD = re.compile(r"^\s*(\w+)\s*:\s*(\S.*)$")
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def made(
    assistant: type[Assistant],
    name: str,
    function: Callable[..., Any],
    options: Options,
    confirms: Callable[..., Any] | None = None,
) -> Tool:
    """Make a tool of a method. Raises ``ImproperlyConfigured`` with a sentence that says what is wrong with it.

    ``confirms`` is the assistant's method that decides whether the visitor is asked.
    """
    path = f"The tool {assistant.__name__}.{name}"
    if not NAME.fullmatch(name):
        raise ImproperlyConfigured(f"{path} must have a name of 1 to 64 ASCII letters, digits and underscores.")
    text = inspect.getdoc(function) if function.__doc__ else None
    if not text:
        raise ImproperlyConfigured(f"{path} needs a docstring: it tells the model what the tool does.")
    model = _model(path, name, function, _described(text))
    try:
        schema = model.model_json_schema()
    except (PydanticInvalidForJsonSchema, PydanticUserError) as error:
        raise ImproperlyConfigured(f"{path} has a parameter whose type has no JSON schema: {_first(error)}") from error
    if confirms is not None:
        _check_same(path, function, confirms)
    description = " ".join(text.split("\n\n")[0].split())
    return Tool(name, description, without_titles(schema), options, _check(model), confirms is not None)


def _check_same(path: str, function: Callable[..., Any], confirms: Callable[..., Any]) -> None:
    """Check that a method can be called with the arguments of a tool."""
    _, *parameters = inspect.signature(function).parameters.values()
    try:
        inspect.signature(confirms).bind(None, **{parameter.name: None for parameter in parameters})
    except TypeError as error:
        raise ImproperlyConfigured(
            f"{path} and its confirm_{function.__name__} need the same parameters: {error}."
        ) from None


def _model(path: str, name: str, function: Callable[..., Any], described: dict[str, str]) -> type[BaseModel]:
    """Make the model of a method's parameters."""
    try:
        hints = get_type_hints(function, include_extras=True)
    except (NameError, TypeError) as error:
        raise ImproperlyConfigured(f"{path} has an annotation that cannot be read: {error}") from error
    _, *parameters = inspect.signature(function).parameters.values()
    fields: dict[str, Any] = {}
    for number, parameter in enumerate(parameters):
        if parameter.kind in _POSITIONAL:
            raise ImproperlyConfigured(f"{path} must name each of its parameters, got {parameter}.")
        if parameter.name in RESERVED:
            raise ImproperlyConfigured(f"{path} may not have a parameter {parameter.name!r}: use self.user.")
        if parameter.name not in hints:
            raise ImproperlyConfigured(f"{path} needs a type for its parameter {parameter.name!r}.")
        default = ... if parameter.default is parameter.empty else parameter.default
        said: dict[str, Any] = {"description": described[parameter.name]} if parameter.name in described else {}
        # Pydantic has names of its own, such as ``copy``; the alias is what the model knows.
        fields[f"p{number}"] = (hints[parameter.name], Field(default, alias=parameter.name, **said))
    try:
        return create_model(name, __config__=ConfigDict(extra="forbid", allow_inf_nan=False), **fields)
    except (PydanticSchemaGenerationError, PydanticUserError, TypeError) as error:
        raise ImproperlyConfigured(f"{path} has a parameter whose type has no JSON schema: {_first(error)}") from error


def _described(text: str) -> dict[str, str]:
    """Return what the lines ``name: text`` of a docstring say about parameters; an indented line continues one."""
    found: dict[str, str] = {}
    last, indent = "", 0
    for line in text.split("\n\n", 1)[-1].splitlines() if "\n\n" in text else ():
        depth = len(line) - len(line.lstrip())
        if last and line.strip() and depth > indent:
            found[last] += " " + line.strip()
        elif match := _FIELD.match(line):
            last, indent = match[1], depth
            found[last] = match[2].strip()
        else:
            last = ""
    return found


def _check(model: type[BaseModel]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    names = {name: str(field.alias) for name, field in model.model_fields.items()}

    def check(arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            found = model.model_validate(arguments)
        except ValidationError as error:
            raise ArgumentsError(_complaint(error)) from None
        return {alias: getattr(found, name) for name, alias in names.items() if name in found.model_fields_set}

    return check


def _complaint(error: ValidationError) -> str:
    """Say what is wrong with arguments, without the values that were given."""
    wrong = error.errors(include_input=False, include_url=False, include_context=False)
    said = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in wrong)
    return f"The arguments do not fit: {said}"[:MAX_COMPLAINT]


def without_titles(schema: Any) -> Any:
    """Leave out the titles that pydantic makes of names: they cost tokens and say nothing."""
    if isinstance(schema, list):
        return [without_titles(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _NAMED:  # its keys are names of the site's own
            found[key] = {name: without_titles(item) for name, item in value.items()}
        elif key in _VALUES:
            found[key] = value
        elif key != "title":
            found[key] = without_titles(value)
    return found


def _first(error: Exception) -> str:
    return str(error).split("\n", 1)[0]
