"""Who answers: a site's assistants, found in the ``assistants`` module of each installed app, as ``admin`` is."""

from .base import Assistant, Starter
from .sources import Source
from .tools import Progress, ToolError, tool

__all__ = ["Assistant", "Progress", "Source", "Starter", "ToolError", "tool"]
