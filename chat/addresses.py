"""The address that a request comes from, also behind proxies, and the network that it belongs to."""

import ipaddress
from collections.abc import Iterable, Sequence

from django.http import HttpRequest

from .conf import conf

FORWARDED = b"x-forwarded-for"


def network(peer: str, forwarded: Iterable[str]) -> str:
    """Return the network that a request comes from; ``""`` if that is not known.

    Each of ``CHAT["TRUSTED_PROXIES"]`` adds the address that it has seen at the end of ``X-Forwarded-For``, so the
    visitor's own is so many places from the right; whatever is before it may be made up. Without the setting, private
    addresses do not count, because a proxy may use one for all visitors.

    Args:
        peer: the address of the other end of the connection.
        forwarded: the values of the headers ``X-Forwarded-For``, in their order.
    """
    hops = [hop.strip() for value in forwarded for hop in value.split(",")]
    trusted = conf.trusted_proxies
    address = hops[-trusted] if 0 < trusted <= len(hops) else peer
    return network_of(_bare(address), private=conf.gives("TRUSTED_PROXIES"))


def network_in(request: HttpRequest) -> str:
    """Return the network that a request over HTTP comes from."""
    return network(request.META.get("REMOTE_ADDR", ""), [request.META.get("HTTP_X_FORWARDED_FOR", "")])


def network_of_socket(client: Sequence[object] | None, headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the network that a websocket comes from, given the client and the headers of its ASGI scope."""
    forwarded = [value.decode("latin-1") for name, value in headers if name == FORWARDED]
    return network(str(client[0]) if client else "", forwarded)


def network_of(address: str, *, private: bool = False) -> str:
    """Return the network that an IP address belongs to: the address itself, or the /64 of an IPv6 one.

    Return ``""`` for what is none, and for one that is not public unless ``private`` ones count. A server that listens
    on ``::`` writes IPv4 addresses as IPv6 ones; they are treated as IPv4.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return ""
    found = getattr(found, "ipv4_mapped", None) or found
    if not (private or found.is_global):
        return ""
    return str(ipaddress.ip_network((int(found), 64), strict=False) if found.version == 6 else found)


def _bare(address: str) -> str:
    """Return an address without the port that some proxies add, and without the brackets of an IPv6 one."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    host, colon, _port = address.partition(":")
    return host if colon and "." in host else address
