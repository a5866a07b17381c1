"""Looks at a page with a chat, at its socket, and at the frames, in this order, as far as each step allows the next."""

from collections.abc import Iterator
from contextlib import ExitStack

from . import frames
from .browser import Browser, CertificateError, UnreachableError
from .findings import Finding, wrong
from .handshake import Handshake
from .page import Visit


def examine(url: str, *, cookies: str = "", insecure: bool = False, idle: float = 0.0) -> Iterator[Finding]:
    """Look at a site, and yield what is found.

    Args:
        url: a page with a chat.
        cookies: cookies to send, as in a ``Cookie`` header.
        insecure: whether any certificate is accepted.
        idle: how long to leave the socket alone, to see whether it is cut, in seconds; 0: not at all.
    """
    browser = Browser(url, cookies, insecure=insecure)
    visit = Visit(browser, url)
    try:
        yield from visit.look()
    except CertificateError as error:
        change = "let the server send a certificate for this host, with its chain; --insecure looks further"
        yield wrong(f"The certificate is not trusted: {error}.", "a certificate that browsers trust.", change)
    except UnreachableError as error:
        change = "check the address, the name server, and whether the server listens there"
        yield wrong(f"The site does not answer: {error}.", "a page.", change)
    if visit.chat is None:
        return
    with ExitStack() as stack:
        handshake = Handshake(browser, visit.chat, stack)
        yield from handshake.look()
        if handshake.socket is not None:
            yield from frames.look(handshake.socket, idle)
