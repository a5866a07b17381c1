"""The app as Django knows it. Its label is not ``chat``: many sites have an app of that name."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ChatConfig(AppConfig):
    """Configures the app: ``"llm_chat"`` in the ``INSTALLED_APPS`` of a site, ``"chat"`` in a checkout."""

    name = __package__
    label = "llm_chat"
    verbose_name = _("AI chat")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks, and the signals of deleted conversations."""
        from . import checks  # noqa: F401 (registers the system checks)
        from .engine import signals as deletion  # noqa: F401 (listens to what is deleted)
