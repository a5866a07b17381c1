"""Finds the tools that a visitor's model may call."""

from .base import Assistant
from .hooks import in_thread
from .tools import Tool, tools_of


async def tools_for(assistant: Assistant) -> dict[str, Tool]:
    """Return the tools of an assistant, without those whose permission its visitor lacks.

    Raises what the site's authentication backends raise, and ``ImproperlyConfigured`` if a tool is declared wrongly.
    """
    tools = tools_of(type(assistant))
    if not any(tool.options.permission for tool in tools.values()):
        return tools
    permitted: dict[str, Tool] = await in_thread(_permitted, assistant, tools)
    return permitted


def _permitted(assistant: Assistant, tools: dict[str, Tool]) -> dict[str, Tool]:
    user = assistant.user
    permissions = {name: tool.options.permission for name, tool in tools.items()}
    return {
        name: tools[name]
        for name, permission in permissions.items()
        if not permission or (user is not None and user.has_perm(permission))
    }
