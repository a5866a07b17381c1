"""Shared by the views of forms: how they reach the event loop that serves the site, and where they redirect to."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from asgiref.sync import async_to_sync
from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

from ..engine.engine import Engine, engine
from ..html.messages import page_url
from .base import field_of

T = TypeVar("T")


def on_the_servers_loop(step: Callable[[Engine], Awaitable[T]]) -> T:
    """Run a coroutine on the event loop that serves the site, with its engine. Call it on the thread of a view."""

    async def run() -> T:
        return await step(engine())

    return async_to_sync(run)()


def next_page(request: HttpRequest, uid: str) -> str:
    """Return the page of this site to redirect to: that of the field ``next``, or else the conversation's own."""
    return wanted_page(request) or page_url(uid)


def wanted_page(request: HttpRequest) -> str:
    """Return the page of this site that the field ``next`` names; empty if it names none."""
    wanted = field_of(request.POST, "next")
    here = {request.get_host()}
    if url_has_allowed_host_and_scheme(wanted, allowed_hosts=here, require_https=request.is_secure()):
        return wanted
    return ""
