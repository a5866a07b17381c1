"""Users, assistants and a loop in the background for the tests of the Python API."""

import pytest
from django.contrib.auth.models import Group, User

from chat.assistants import Assistant, Source, tool
from chat.assistants.discovery import registry
from chat.engine import background


class Default(Assistant):
    """Answers everybody."""


class Support(Assistant):
    """Has tools, and talks with users about groups."""

    about = Group

    def has_permission(self):
        return self.user is not None and self.user.is_active

    def has_about_permission(self, group):
        return group.name != "secret"

    def get_instructions(self):
        return f"You help {self.user} with {self.about}, in {self.language or 'English'}."

    @tool
    def manual(self, topic: str) -> list[Source]:
        """The manual."""
        return [Source(topic, "/manual/1/", "Turn it.")]

    @tool(confirm=True)
    def cancel(self, number: str) -> str:
        """Cancel an order."""
        return f"{number} is cancelled."


@pytest.fixture(autouse=True)
def assistants():
    with registry.replaced(Default, Support):
        yield


@pytest.fixture
def ada(transactional_db):
    return User.objects.create_user("ada")


@pytest.fixture
def asking(transactional_db, script):
    """The model that a process plays which only asks; its thread ends with the test."""
    yield script
    background.close()
