"""The forms of the values that answers are to be: a JSON schema for the model, and how its text becomes the value.

A dataclass and a pydantic model are read by pydantic, a ``msgspec.Struct`` by msgspec.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from ..assistants.hooks import in_thread
from ..assistants.schema import without_titles

logger = logging.getLogger(__name__)

_REF = "#/$defs/"


@dataclass(frozen=True, slots=True)
class Form:
    """The form of a value."""

    schema: dict[str, Any]
    """A JSON schema of an object, with the name of the type as its ``title``."""
    decode: Callable[[str], Any]

    async def read(self, text: str) -> Any:
        """Return the value that a text stands for; ``None`` if it has another form, or the type does not accept it."""
        try:
            return await in_thread(self.decode, text)
        except Exception as error:  # whatever the site's type raises
            logger.info("A reply could not be read as %s: %s.", self.schema["title"], type(error).__name__)
            logger.debug("The answer: %s", error)
            return None


def form_of(returns: Any) -> Form:
    """Return the form of a type. Raises ``TypeError`` if it is none that can be returned."""
    expected = f"returns must be a dataclass, a msgspec.Struct or a pydantic model, got {returns!r}"
    try:
        schema, decode = _by_msgspec(returns) if _is_struct(returns) else _by_pydantic(returns)
    except Exception as error:
        raise TypeError(f"{expected}: it has no JSON schema ({str(error).splitlines()[0]})") from error
    schema = _with_object_at_the_root(without_titles(schema))
    if schema.get("type") != "object" or not schema.get("properties"):
        raise TypeError(f"{expected}, which is no object with fields.")
    return Form({"title": getattr(returns, "__name__", "Answer"), **schema}, decode)


def _is_struct(returns: Any) -> bool:
    return isinstance(returns, type) and issubclass(returns, msgspec.Struct)


def _by_msgspec(returns: Any) -> tuple[dict[str, Any], Callable[[str], Any]]:
    return msgspec.json.schema(returns), msgspec.json.Decoder(returns).decode


def _by_pydantic(returns: Any) -> tuple[dict[str, Any], Callable[[str], Any]]:
    from pydantic import TypeAdapter  # late: most processes never need it

    adapter = TypeAdapter(returns)
    return adapter.json_schema(), adapter.validate_json


def _with_object_at_the_root(schema: dict[str, Any]) -> dict[str, Any]:
    """Put the definition that a schema only refers to in its place: endpoints want an object there."""
    reference = schema.get("$ref", "")
    if not reference.startswith(_REF):
        return schema
    definitions = schema["$defs"]
    root = definitions[reference.removeprefix(_REF)]
    if not _refers(definitions, reference):
        definitions = {name: found for name, found in definitions.items() if found is not root}
    return {**root, "$defs": definitions} if definitions else root


def _refers(value: Any, reference: str) -> bool:
    """Tell whether a schema refers to a definition, anywhere in it."""
    if isinstance(value, dict):
        return value.get("$ref") == reference or any(_refers(item, reference) for item in value.values())
    return isinstance(value, list) and any(_refers(item, reference) for item in value)
