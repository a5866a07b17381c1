"""Limits for one client of a process: frames and bytes per second, and open sockets."""

from collections import Counter
from collections.abc import Hashable

BURST = 5.0
"""A bucket holds at most the tokens of this many seconds."""

MIN_BURST_BYTES = 1_048_576
"""The bytes that a socket may send at once, however small the largest frame is."""


class Bucket:
    """A token bucket: ``rate`` tokens per second, at most those of five seconds. Times are of a monotonic clock."""

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._tokens = BURST * rate
        self._at = now

    def take(self, now: float, count: int = 1) -> float:
        """Take ``count`` tokens; return how many seconds to wait for those that are missing, normally 0."""
        self._tokens = min(BURST * self._rate, self._tokens + (now - self._at) * self._rate) - count
        self._at = now
        return max(0.0, -self._tokens / self._rate)


def volume(largest: int, now: float) -> Bucket:
    """Return a bucket of bytes for one socket: a frame of the largest size at once, and then one every four seconds.

    Reading and parsing a frame of that size takes a third of a second, in which the process serves no other client.
    """
    return Bucket(max(largest, MIN_BURST_BYTES) / 4, now)


class Sockets:
    """Counts the open sockets of one process by owner and by address; the sockets of an owner share a bucket."""

    def __init__(self) -> None:
        self.count = 0
        """How many sockets are open."""
        self._open: Counter[Hashable] = Counter()
        self._shared: dict[Hashable, Bucket] = {}

    def shared(self, key: Hashable, rate: float, now: float) -> Bucket:
        """Return the bucket that all sockets of a key share. It is kept until the last of them leaves."""
        return self._shared.setdefault(key, Bucket(rate, now))

    def enter(self, keys: dict[Hashable, int]) -> bool:
        """Count a socket under each of the keys, unless one has reached its limit; return whether it may stay."""
        if any(self._open[key] >= most for key, most in keys.items()):
            return False
        self._open.update(keys.keys())
        self.count += 1
        return True

    def leave(self, keys: dict[Hashable, int]) -> None:
        """Stop counting a socket that has entered under these keys."""
        self._open.subtract(keys.keys())
        self.count -= 1
        for key in keys:
            if not self._open[key]:
                del self._open[key]
                self._shared.pop(key, None)
