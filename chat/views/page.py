"""The app's own page: one conversation beside the list of all, search, and sending a message by form."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods

from .base import conversation_page, field_of, served, short
from .embedded import embedded
from .form import ask
from .search import search


@served
@short
@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest, uid: str = "") -> HttpResponse:
    """Show a conversation, or an empty new one; with ``?q=`` show search results; on POST send a message.

    With ``?fragment``, show one conversation without a page around it.

    Args:
        request: the request.
        uid: the conversation's id; empty for a new conversation.
    """
    if request.method == "POST":
        return ask(request, uid)
    if "q" in request.GET:
        return search(request)
    if uid and "fragment" in request.GET:
        return embedded(request, uid)
    return conversation_page(request, uid, field_of(request.GET, "assistant"))
