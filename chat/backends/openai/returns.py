"""Asks for a reply of a given form: OpenAI's structured outputs, which vLLM, llama.cpp and others have taken over.

Source: https://platform.openai.com/docs/guides/structured-outputs (supported schemas).
"""

import re
from typing import Any

_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")

_VALUES = ("const", "enum", "examples")
"""Keys of a JSON schema that have values, not schemas."""


def response_format(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the ``response_format`` of a request, for the JSON schema of an object with a ``title``.

    Where it can be, it is ``strict``: then the endpoint sees to it that the reply has this form. For that, every field
    must be required and no other allowed, so a model also fills in the fields that have defaults.
    """
    name = _NOT_IN_NAMES.sub("_", schema["title"])[:64]
    plain = {key: value for key, value in schema.items() if key != "title"}
    strict = _has_fields_only(plain)
    return {
        "type": "json_schema",
        "json_schema": {"name": name, "strict": strict, "schema": _strict(plain) if strict else plain},
    }


def _has_fields_only(schema: Any) -> bool:
    """Tell whether each object in a schema has named fields, and no others."""
    if isinstance(schema, list):
        return all(map(_has_fields_only, schema))
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" and (not schema.get("properties") or schema.get("additionalProperties")):
        return False
    return all(_has_fields_only(value) for key, value in schema.items() if key not in _VALUES)


def _strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:  # nothing may stand beside it
        return {"$ref": schema["$ref"], **({"$defs": _strict(schema["$defs"])} if "$defs" in schema else {})}
    found: dict[str, Any] = {}
    for key, value in schema.items():
        if key in ("properties", "$defs"):
            found[key] = {name: _strict(item) for name, item in value.items()}
        elif key in _VALUES:
            found[key] = value
        elif key != "default":
            found[key] = _strict(value)
    if found.get("type") == "object":
        found |= {"required": list(found["properties"]), "additionalProperties": False}
    return found
