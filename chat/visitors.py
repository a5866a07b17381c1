"""The visitor behind a request over HTTP: a new one without an account gets an id, unless there are too many."""

from django.http import HttpRequest

from .addresses import network_in
from .db.counters import admits_visitor
from .errors import Refusal
from .owners import Owner, admit, owner_of

FOR_NOW = "_llm_chat_visitor"
"""The attribute of a request that keeps the owner of a visitor whose id is not stored."""

REFUSED = "_llm_chat_refused"
"""The attribute of a request whose visitor is one of too many."""


def visitor(request: HttpRequest, *, linked: bool = False) -> Owner:
    """Return the owner behind a request. A new visitor gets an id, which makes Django store a session.

    A client that will not return with the cookie gets an id for this request only, so that robots and probes do not
    fill the session table. These are HEAD requests, requests that do not accept HTML, and requests without ``Accept``
    that are ``linked``. Requests that accept anything (``*/*``) count as such clients too, unless the browser says that
    they come from the site itself, as those of its scripts (htmx) do.

    Nor does one of too many new visitors from one address (``CHAT["MAX_NEW_VISITORS_PER_ADDRESS"]``).

    Args:
        request: a request with a session.
        linked: whether the URL names a conversation, so that a client may have followed a link to it.
    """
    for_now: Owner | None = getattr(request, FOR_NOW, None)
    if for_now is not None:
        return for_now
    keep = _will_return(request, linked)
    if keep and owner_of(request) is None and not admits_visitor(network_in(request)):
        keep = False
        setattr(request, REFUSED, True)
    owner = admit(getattr(request, "user", None), request.session, keep=keep)
    if not keep:
        setattr(request, FOR_NOW, owner)  # found again by a second {% chat %} of the same page
    return owner


def _will_return(request: HttpRequest, linked: bool) -> bool:
    if request.method in ("HEAD", "POST"):
        return request.method == "POST"
    accepted = request.headers.get("Accept")
    if accepted == "*/*":
        return request.headers.get("Sec-Fetch-Site") == "same-origin"
    return not linked if accepted is None else "text/html" in accepted


def is_refused(request: HttpRequest) -> bool:
    """Tell whether ``visitor`` has given a new visitor no id, because too many come from one address."""
    return getattr(request, REFUSED, False)


def asking(request: HttpRequest) -> Owner:
    """Return the owner behind a request that stores something. Raises ``Refusal`` if it is one of too many."""
    owner = visitor(request)
    if is_refused(request):
        raise Refusal("too_many_visitors")
    return owner
