"""Writes a document as JSON, piece by piece: what its iterators yield is in memory one after the other."""

import json
from collections.abc import Iterator
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder


def written(document: Any, indent: str = "") -> Iterator[str]:
    """Yield the JSON text of a document: dictionaries whose values may be iterators, which become lists."""
    if isinstance(document, Iterator):
        yield from _list(document, indent)
    elif isinstance(document, dict) and any(isinstance(value, Iterator) for value in document.values()):
        yield from _object(document, indent)
    else:
        yield json.dumps(document, ensure_ascii=False, cls=DjangoJSONEncoder)


def _object(document: dict[str, Any], indent: str) -> Iterator[str]:
    inner = f"{indent}  "
    separator = "{"
    for name, value in document.items():
        yield f"{separator}\n{inner}{json.dumps(name)}: "
        yield from written(value, inner)
        separator = ","
    yield f"\n{indent}}}"


def _list(items: Iterator[Any], indent: str) -> Iterator[str]:
    inner = f"{indent}  "
    separator = "["
    for item in items:
        yield f"{separator}\n{inner}"
        yield from written(item, inner)
        separator = ","
    yield "[]" if separator == "[" else f"\n{indent}]"
