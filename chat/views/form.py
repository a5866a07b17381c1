"""Handles the form under the messages where JavaScript is off: it sends a message or stops the answer."""

import logging
import re
import secrets

from django.core.handlers.asgi import ASGIRequest
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils.translation import get_language

from .. import beginnings
from ..addresses import network_in
from ..assistants.discovery import DEFAULT, backends_of, registry
from ..backends.loading import max_message_length
from ..claims import claims_of, cookie_of
from ..conf import conf
from ..db.answers import ask_to_stop
from ..db.values import Ask
from ..engine.engine import Engine
from ..engine.start import begin
from ..engine.stopping import stop_undecided
from ..errors import ERRORS, Refusal, sentence
from ..health import NO_ASGI
from ..html.form import Refused
from ..models import Message
from ..text import CONVERSATION_ID, acceptable
from ..visitors import asking
from .base import SeeOther, command, conversation_of, conversation_page, done, field_of, is_of_another_owner
from .loop import next_page, on_the_servers_loop, wanted_page
from .refusals import limited, why

logger = logging.getLogger(__name__)


def ask(request: HttpRequest, uid: str = "") -> HttpResponse:
    """Store a message and start its answer, under the same limits as on the socket; then redirect to the page.

    A refused message is in its field again, with the reason. A message without a conversation starts a new one under
    its own id, so that it is stored once even if it is posted twice.
    """
    given = field_of(request.POST, "id")
    message = given if re.fullmatch(CONVERSATION_ID, given) else secrets.token_urlsafe(9)
    text = (field_of(request.POST, "starter") or field_of(request.POST, "text")).replace("\r\n", "\n")
    assistant = field_of(request.POST, "assistant") or DEFAULT
    about = field_of(request.POST, "about")
    uid = uid or message

    def refuse(error: str, status: int, *, again: bool = True) -> HttpResponse:
        refused = Refused(message if again else secrets.token_urlsafe(9), text, error, wanted_page(request))
        return conversation_page(request, uid, assistant, refused=refused, status=status)

    if not isinstance(request, ASGIRequest):
        return refuse(NO_ASGI, 501)
    try:
        if is_of_another_owner(request):
            raise Refusal("session")
        chosen = registry.get(assistant) or registry.default
        text = acceptable(text, max_message_length(backends_of(chosen)[0]))
        cookie = cookie_of(request.COOKIES)
        owner = asking(request)._replace(claims=claims_of({**request.COOKIES, cookie.name: cookie.token}))
        asked = Ask(
            owner,
            uid,
            message,
            text,
            language=get_language() or "",
            assistant=assistant,
            about=about,
            network=network_in(request),
        )
        on_the_servers_loop(lambda process: begin(process, asked))
    except Refusal as refusal:
        # Another text under the same id is another message: it needs a new id, or the next try is refused as well.
        return limited(refuse(why(refusal), ERRORS[refusal.code].status, again=refusal.code != "conflict"), refusal)
    except DatabaseError:
        logger.exception("A message could not be stored.")
        return refuse(sentence("storage", None), ERRORS["storage"].status)
    response = SeeOther(next_page(request, uid))
    response.set_cookie(*cookie, **conf.claim_cookie)
    return response


@command
def stop(request: HttpRequest, uid: str) -> HttpResponse:
    """Stop the answer that runs in a conversation, in whichever process it runs, or that waits for a decision."""
    conversation = conversation_of(request, uid)
    answer = conversation.running
    if answer is None:
        stop_undecided(conversation, conversation.owner)
    elif isinstance(request, ASGIRequest):
        on_the_servers_loop(lambda process: _stop(process, answer))
    else:
        ask_to_stop(answer.pk)
    return done(request, next_page(request, uid))


@command
def begin_new(request: HttpRequest, uid: str) -> HttpResponse:
    """Begin a conversation in place of the one whose id is made of an assistant and an object."""
    beginnings.begin(request.session, uid)
    return SeeOther(next_page(request, uid))


async def _stop(process: Engine, answer: Message) -> None:
    process.stop(answer)
