"""Notices pages that are served by WSGI in a site whose websocket nothing serves: no answer can arrive on them."""

import logging

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest

from .conf import conf
from .db.processes import is_any_alive

logger = logging.getLogger(__name__)

NO_ASGI = (
    "This page is served by WSGI, and no ASGI server of this site is running to serve the chat's websocket, so no "
    "answer can arrive. Serve the site by ASGI, such as with uvicorn or daphne, or at least the websocket's path."
)


class Notice:
    """What a process has found out. The database is asked until an ASGI server of the site has been seen."""

    def __init__(self) -> None:
        self._is_settled = False

    def of(self, request: HttpRequest) -> str:
        """Return what is wrong with the server of a request, as a sentence for the developer; empty if nothing is.

        Unless the site is being developed, the sentence is logged once instead, and the page does not show it.
        """
        if self._is_settled or not isinstance(request, WSGIRequest):
            return ""
        if is_any_alive():
            self._is_settled = True
            return ""
        if conf.debug:
            return NO_ASGI
        logger.warning(NO_ASGI)
        self._is_settled = True
        return ""


notice = Notice()
