"""Imports the objects that settings name by dotted paths."""

from typing import Any

from django.utils.module_loading import import_string

PLACES = {"chat": "a checkout", "llm_chat": "an installed site"}
"""Names of the app's package, and where it has each of them."""


def import_path(path: str) -> Any:
    """Import the object that a dotted path names.

    Raises ``ImportError``. If the path begins with the package's other name, the message gives the right path.
    """
    try:
        return import_string(path)
    except ModuleNotFoundError as error:
        if not (renamed := _renamed(path, error.name)):
            raise
        place = f'in {PLACES[__package__]} the package is "{__package__}"'
        raise ImportError(f'{place}, so write "{renamed}".') from error


def _renamed(path: str, missing: str | None) -> str:
    """Return ``path`` under the app's name here; empty if it does not exist, or if another module is missing."""
    package, _, rest = path.partition(".")
    renamed = f"{__package__}.{rest}"
    if {package, __package__} != PLACES.keys() or not f"{path}.".startswith(f"{missing}."):
        return ""
    try:
        import_string(renamed)
    except ImportError:
        return ""
    return renamed
