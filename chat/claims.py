"""The cookie by which a browser proves that it has begun a visitor's conversations.

A session does not prove that: somebody may have planted their own session in a victim's browser. So each browser gets a
random token of its own, and a conversation keeps the token's digest. When the visitor signs in, only the conversations
whose token the browser has move to the account.

The name of the cookie ends in random characters. Two handshakes without the cookie may be under way at once, and each
sets one: under one name, the browser would forget the first token.
"""

import hashlib
import re
import secrets
from collections.abc import Mapping
from http.cookies import SimpleCookie
from typing import NamedTuple

from .conf import conf

MOST = 8
"""How many tokens of one browser count. It has more than one only where it has opened several pages at first."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")


class Cookie(NamedTuple):
    """The cookie with a browser's token, which it has sent or is to get."""

    name: str
    token: str

    @property
    def header(self) -> tuple[bytes, bytes]:
        """Return the header that sets it, for the response to a handshake."""
        jar = SimpleCookie({self.name: self.token})
        given = conf.claim_cookie
        jar[self.name].update({name.replace("_", "-"): value for name, value in given.items() if value})
        return b"set-cookie", jar[self.name].OutputString().encode("latin-1")


def cookie_of(cookies: Mapping[str, str]) -> Cookie:
    """Return the cookie of a browser that has sent these: its own, or a new one."""
    own = next(iter(_sent(cookies).items()), None)
    return Cookie(*own) if own else Cookie(f"{_prefix()}{secrets.token_urlsafe(6)}", secrets.token_urlsafe(24))


def claims_of(cookies: Mapping[str, str]) -> tuple[str, ...]:
    """Return what conversations keep of the tokens of a browser that has sent these cookies."""
    return tuple(claim_of(token) for token in list(_sent(cookies).values())[:MOST])


def claim_of(token: str) -> str:
    """Return what a conversation keeps of a token: its digest, of 64 characters."""
    return hashlib.sha256(token.encode()).hexdigest()


def _sent(cookies: Mapping[str, str]) -> dict[str, str]:
    prefix = _prefix()
    return {name: value for name, value in cookies.items() if name.startswith(prefix) and _TOKEN.fullmatch(value)}


def _prefix() -> str:
    return f"{conf.session_cookie}_chat_"
