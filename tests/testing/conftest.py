"""The plugin that sites name in ``pytest_plugins``, and the assistants of a site."""

from datetime import timedelta
from typing import Literal

import pytest
from django.contrib.auth.models import Group

from chat.assistants import Assistant, Progress, ToolError, tool
from chat.assistants.discovery import registry
from chat.testing.fixtures import chat_script, chat_visitor

__all__ = ["chat_script", "chat_visitor"]


class Default(Assistant):
    """Answers without tools."""


class Support(Assistant):
    """Has tools, and talks about groups."""

    about = Group

    def has_about_permission(self, group):
        return group.name != "secret"

    def get_instructions(self):
        return f"You help {self.user} with {self.about}, in {self.language}."

    @tool
    def orders(self, status: Literal["open", "sent"] = "open", limit: int = 20) -> list[str]:
        """The customer's own orders."""
        return [f"A {status} one"]

    @tool(confirm=True)
    def cancel(self, number: str) -> str:
        """Cancel an order."""
        return f"{number} is cancelled."

    @tool
    async def parcel(self, number: str):
        """Where a parcel is."""
        yield Progress("Asking")
        if number == "0":
            raise ToolError("No such parcel.")
        yield {"place": "Lyon", "days": timedelta(days=2)}


@pytest.fixture(autouse=True)
def assistants():
    with registry.replaced(Default, Support):
        yield
