"""Handles the form of the buttons in the templates of tools, where JavaScript is off."""

import logging
from dataclasses import replace

from django.core.handlers.asgi import ASGIRequest
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils.translation import get_language

from ..addresses import network_in
from ..assistants.buttons import pressed, read
from ..db.decisions import Decide, Decision
from ..engine.decide import decide
from ..engine.start import begin
from ..errors import ERRORS, Refusal, sentence
from ..health import NO_ASGI
from ..html.form import Refused
from ..owners import Owner
from ..visitors import asking
from .base import SeeOther, command, conversation_of, conversation_page, field_of
from .loop import next_page, on_the_servers_loop, wanted_page
from .refusals import limited, why

logger = logging.getLogger(__name__)

DECISIONS = {"allow": True, "deny": False}
"""Whether a call is approved, by the first word of a button's value; the ``uid`` of the call is the second."""

PRESS = "press"
"""What the value of a site's own button begins with; its signed value follows."""


@command
def call(request: HttpRequest, uid: str) -> HttpResponse:
    """Allow or deny a call, or begin one, as the field ``call`` says; then redirect to the page.

    A refused request shows the conversation on its own page, with the reason and a link back to where it was made.
    """
    conversation_of(request, uid)
    verb, _, rest = field_of(request.POST, "call").partition(" ")
    if not isinstance(request, ASGIRequest):
        return _refuse(request, uid, NO_ASGI, 501)
    try:
        _carry_out(asking(request), uid, verb, rest, network_in(request))
    except Refusal as refusal:
        return limited(_refuse(request, uid, why(refusal), ERRORS[refusal.code].status), refusal)
    except DatabaseError:
        logger.exception("A decision could not be stored.")
        return _refuse(request, uid, sentence("storage", None), ERRORS["storage"].status)
    return SeeOther(next_page(request, uid))


def _carry_out(owner: Owner, uid: str, verb: str, rest: str, network: str) -> None:
    """Do what a button says. Raises ``Refusal`` and ``django.db.Error``."""
    if verb == PRESS:
        wanted = replace(pressed(read(rest, owner.digest, uid), owner, get_language() or ""), network=network)
        on_the_servers_loop(lambda process: begin(process, wanted))
    elif verb in DECISIONS:
        asked = Decide(owner, uid, [Decision(rest, DECISIONS[verb])], network=network)
        on_the_servers_loop(lambda process: decide(process, asked))
    else:
        raise Refusal("not_found")


def _refuse(request: HttpRequest, uid: str, error: str, status: int) -> HttpResponse:
    refused = Refused("", "", error, wanted_page(request))
    return conversation_page(request, uid, refused=refused, status=status)
