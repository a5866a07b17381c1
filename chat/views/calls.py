"""Handles the form of the buttons in the templates of tools, where JavaScript is off."""

import logging

from django.core.handlers.asgi import ASGIRequest
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse

from ..db.decisions import Decide, Decision
from ..engine.decide import decide
from ..errors import ERRORS, Refusal, sentence
from ..health import NO_ASGI
from ..html.form import Refused
from ..owners import visitor
from .base import SeeOther, command, conversation_of, conversation_page, field_of
from .loop import next_page, on_the_servers_loop, wanted_page

logger = logging.getLogger(__name__)

DECISIONS = {"allow": True, "deny": False}
"""Whether a call is approved, by the first word of a button's value; the ``uid`` of the call is the second."""


@command
def call(request: HttpRequest, uid: str) -> HttpResponse:
    """Allow or deny a call, as the field ``call`` says, and let its answer go on; then redirect to the page.

    A refused decision shows the conversation on its own page, with the reason and a link back to where it was made.
    """
    conversation_of(request, uid)
    verb, _, call_uid = field_of(request.POST, "call").partition(" ")
    if not isinstance(request, ASGIRequest):
        return _refuse(request, uid, NO_ASGI, 501)
    try:
        if verb not in DECISIONS:
            raise Refusal("not_found")
        asked = Decide(visitor(request), uid, [Decision(call_uid, DECISIONS[verb])])
        on_the_servers_loop(lambda process: decide(process, asked))
    except Refusal as refusal:
        return _refuse(request, uid, sentence(refusal.code, None), ERRORS[refusal.code].status)
    except DatabaseError:
        logger.exception("A decision could not be stored.")
        return _refuse(request, uid, sentence("storage", None), ERRORS["storage"].status)
    return SeeOther(next_page(request, uid))


def _refuse(request: HttpRequest, uid: str, error: str, status: int) -> HttpResponse:
    refused = Refused("", "", error, wanted_page(request))
    return conversation_page(request, uid, refused=refused, status=status)
