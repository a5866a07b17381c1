"""Who answers: a site's assistants, found in the ``assistants`` module of each installed app, as ``admin`` is."""

from .base import Assistant, Starter

__all__ = ["Assistant", "Starter"]
