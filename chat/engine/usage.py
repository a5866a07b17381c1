"""Adds up what the steps of an answer have used, as the model's endpoint reports it."""

from typing import Any


def summed(usage: dict[str, Any] | None, more: dict[str, Any] | None) -> dict[str, Any] | None:
    """Add up what two calls of the model have used; figures that one of them lacks are those of the other."""
    if not usage or not more:
        return usage or more
    return {**usage, **{name: _sum(usage.get(name), value) for name, value in more.items()}}


def _sum(value: Any, more: Any) -> Any:
    if isinstance(value, dict) and isinstance(more, dict):
        return summed(value, more)
    numbers = isinstance(value, int | float) and isinstance(more, int | float)
    return value + more if numbers else more
