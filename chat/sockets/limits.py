"""What one client may ask of a process: frames a second, sockets at the same time."""

import ipaddress
from collections import Counter
from collections.abc import Hashable

BURST = 5.0
"""A bucket holds the tokens of this many seconds."""

LEAST = 1_048_576
"""A socket may send at least this many bytes at once, however small the largest frame is."""


class Bucket:
    """A token bucket: ``rate`` tokens a second, those of five seconds at most. Times are a monotonic clock's."""

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._tokens = BURST * rate
        self._at = now

    def take(self, now: float, count: int = 1) -> float:
        """Take tokens; return how many seconds to wait until those that were not there have come, 0 as a rule."""
        self._tokens = min(BURST * self._rate, self._tokens + (now - self._at) * self._rate) - count
        self._at = now
        return max(0.0, -self._tokens / self._rate)


def volume(largest: int, now: float) -> Bucket:
    """Return a bucket of bytes for one socket: a frame of the largest size at once, and then one every four seconds.

    To read and parse the largest one takes a third of a second, in which nobody else is served.
    """
    return Bucket(max(largest, LEAST) / 4, now)


class Sockets:
    """The sockets that are open in one process, counted by owner and by address; those of an owner share a bucket."""

    def __init__(self) -> None:
        self._open: Counter[Hashable] = Counter()
        self._shared: dict[Hashable, Bucket] = {}

    def shared(self, key: Hashable, rate: float, now: float) -> Bucket:
        """Return the bucket of all sockets that have entered under a key; it is kept until the last of them leaves."""
        return self._shared.setdefault(key, Bucket(rate, now))

    def enter(self, keys: dict[Hashable, int]) -> bool:
        """Count a socket under each of the keys, unless one has reached its number; return whether it may stay."""
        if any(self._open[key] >= most for key, most in keys.items()):
            return False
        self._open.update(keys.keys())
        return True

    def leave(self, keys: dict[Hashable, int]) -> None:
        """Count a socket that had entered no longer."""
        self._open.subtract(keys.keys())
        for key in keys:
            if not self._open[key]:
                del self._open[key]
                self._shared.pop(key, None)


def network_of(address: str) -> str:
    """Return the network of the one visitor who has an IP address; empty for one that may be a proxy before all.

    A visitor has the whole /64 of an IPv6 address. A server that listens on ``::`` writes IPv4 addresses as IPv6 ones.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return ""
    found = getattr(found, "ipv4_mapped", None) or found
    if not found.is_global:
        return ""
    return str(ipaddress.ip_network((int(found), 64), strict=False) if found.version == 6 else found)
