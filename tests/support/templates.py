"""Templates that a site adds or replaces."""

from chat.html import calls


class OwnTemplates:
    """The templates of a site, in a folder that is searched before the app's.

    Args:
        settings: the fixture of pytest-django, which restores ``TEMPLATES`` after the test.
        folder: where the templates are written.
    """

    def __init__(self, settings, folder):
        self._settings = settings
        self._folder = folder
        self._folders = [folder, *settings.TEMPLATES[0]["DIRS"]]
        calls._reported.clear()

    def tool(self, name, content):
        """Write a template in ``llm_chat/tools``, and forget the templates that were loaded before."""
        path = self._folder / "llm_chat" / "tools" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        self._settings.TEMPLATES = [{**self._settings.TEMPLATES[0], "DIRS": self._folders}]
