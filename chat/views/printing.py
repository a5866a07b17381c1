"""Shows a whole conversation to be printed or saved as PDF; its own page has only the last messages of a long one."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from ..db.branches import whole
from ..html.messages import conversation_view, record_view
from .base import conversation_of, reading


@reading
def printed(request: HttpRequest, uid: str) -> HttpResponse:
    """Show all messages of the branch that a conversation shows; a script opens the browser's print dialog."""
    conversation = conversation_of(request, uid)
    context = {
        "conversation": conversation_view(conversation),
        "messages": [record_view(message) for message in whole(conversation)],
    }
    return render(request, "llm_chat/print.html", context)
