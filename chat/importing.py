"""Imports what a setting names by its dotted path."""

from typing import Any

from django.utils.module_loading import import_string

PLACES = {"chat": "a checkout", "llm_chat": "an installed site"}
"""What the app's package is called, and where."""


def import_path(path: str) -> Any:
    """Import the object that a setting names by its dotted path.

    Raises ``ImportError``, with the right path where the setting has the package's other name.
    """
    try:
        return import_string(path)
    except ModuleNotFoundError as error:
        if not (renamed := _renamed(path, error.name)):
            raise
        place = f'in {PLACES[__package__]} the package is "{__package__}"'
        raise ImportError(f'{place}, so write "{renamed}".') from error


def _renamed(path: str, missing: str | None) -> str:
    """Return ``path`` below the app's present name if it exists there and what is missing is not some other module."""
    package, _, rest = path.partition(".")
    renamed = f"{__package__}.{rest}"
    if {package, __package__} != PLACES.keys() or not f"{path}.".startswith(f"{missing}."):
        return ""
    try:
        import_string(renamed)
    except ImportError:
        return ""
    return renamed
