"""The app's own page: one conversation beside the list of all; what is searched for; a message that is sent."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods

from .base import conversation_page, served, short
from .form import ask
from .search import search


@served
@short
@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest, uid: str = "") -> HttpResponse:
    """One conversation, or an empty new one; with ``?q=`` what is found; by POST a message is sent to it."""
    if request.method == "POST":
        return ask(request, uid)
    if "q" in request.GET:
        return search(request)
    return conversation_page(request, uid)
