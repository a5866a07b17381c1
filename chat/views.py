"""The app's own page: the list of one's conversations, and one of them."""

import secrets

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from .models import Conversation
from .owners import admit
from .presentation import ConversationView, conversation_view, page_url


@never_cache
@require_safe
def page(request: HttpRequest, uid: str = "") -> HttpResponse:
    """One conversation, or an empty new one where the visitor has none by that id, beside the list of all."""
    owner = admit(request.user, request.session)
    conversations = [conversation_view(found) for found in Conversation.objects.of(owner).listed()]
    uid = uid or secrets.token_urlsafe(9)
    listed = next((view for view in conversations if view.id == uid), None)
    current = listed or ConversationView(uid, "", page_url(uid))
    return render(request, "llm_chat/page.html", {"conversation": current, "conversations": conversations})
