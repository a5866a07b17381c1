"""The URLs of the app's pages. A site includes them: ``path("chat/", include("llm_chat.urls"))``."""

from django.urls import path, register_converter

from .text import CONVERSATION_ID
from .views import calls as calling
from .views import conversations as options
from .views import export, manifest, page, printing, shares
from .views import form as asking

app_name = "llm_chat"


class ConversationIdConverter:
    """Matches well-formed ids of conversations, which clients make."""

    regex = CONVERSATION_ID

    def to_python(self, value: str) -> str:
        """Return the id in the URL, unchanged."""
        return value

    def to_url(self, value: str) -> str:
        """Return the id for a URL, unchanged."""
        return value


register_converter(ConversationIdConverter, "conversation")

# "~" marks URLs that belong to no single conversation: no conversation's id begins with it.
urlpatterns = [
    path("", page, name="page"),
    path("~options/", options.all_options, name="all-options"),
    path("~delete/", options.delete_several, name="delete-several"),
    path("~undo/", options.undo_deletion, name="undo"),
    path("~manifest.json", manifest.manifest, name="manifest"),
    path("~shared/<conversation:link>/", shares.read, name="shared"),
    path("<conversation:uid>/", page, name="conversation"),
    path("<conversation:uid>/options/", options.options, name="options"),
    path("<conversation:uid>/rename/", options.rename_one, name="rename"),
    path("<conversation:uid>/pin/", options.pin_one, name="pin"),
    path("<conversation:uid>/delete/", options.delete_one, name="delete"),
    path("<conversation:uid>/call/", calling.call, name="call"),
    path("<conversation:uid>/stop/", asking.stop, name="stop"),
    path("<conversation:uid>/new/", asking.begin_new, name="new"),
    path("<conversation:uid>/shares/", shares.shares, name="shares"),
    path("<conversation:uid>/shares/new/", shares.share_one, name="share"),
    path("<conversation:uid>/shares/<conversation:link>/revoke/", shares.revoke_one, name="revoke"),
    path("<conversation:uid>/print/", printing.printed, name="print"),
    path("<conversation:uid>/export.md", export.markdown, name="export-markdown"),
    path("<conversation:uid>/export.json", export.json, name="export-json"),
]
