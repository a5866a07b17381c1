"""The app's configuration for Django. Its label is not ``chat``, because many sites have an app of that name."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ChatConfig(AppConfig):
    """The configuration of the app: ``"llm_chat"`` in a site's ``INSTALLED_APPS``, ``"chat"`` in a checkout."""

    name = __package__
    label = "llm_chat"
    verbose_name = _("AI chat")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks and the signal receivers."""
        from . import checks  # noqa: F401 (registers the system checks)
        from .assistants.discovery import registry
        from .engine import signals  # registers the other signal receivers

        signals.connect_groups()

        # A module of the site's that cannot be imported keeps the site from starting, as its admin module does.
        _ = registry.defined
