"""The app's own pages: ``path("chat/", include("chat.urls"))``."""

from django.urls import path, register_converter

from . import views
from .protocol import CONVERSATION_ID

app_name = "llm_chat"


class ConversationIdConverter:
    """A well-formed id of a conversation, as the client makes it."""

    regex = CONVERSATION_ID

    def to_python(self, value: str) -> str:
        """The id as it stands in the URL."""
        return value

    def to_url(self, value: str) -> str:
        """The id as it stands in the URL."""
        return value


register_converter(ConversationIdConverter, "conversation")

urlpatterns = [
    path("", views.page, name="page"),
    path("<conversation:uid>/", views.page, name="conversation"),
]
