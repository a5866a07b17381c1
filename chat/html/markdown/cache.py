"""A bounded cache of finished pieces of HTML."""

from collections import OrderedDict
from collections.abc import Hashable
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Cache(Generic[Key]):
    """The most recently used strings, whose weights add up to at most ``limit``.

    It is bounded by size, not by number, because one value may be a thousand times as large as another. Threads may
    share it.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._values: OrderedDict[Key, tuple[str, int]] = OrderedDict()
        self._lock = Lock()

    @property
    def size(self) -> int:
        """Sum of the weights of the values that are held."""
        return self._size

    def get(self, key: Key) -> str | None:
        """Return the value under ``key`` and mark it as the most recently used one; ``None`` if it is not there."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def put(self, key: Key, value: str, weight: int) -> None:
        """Store ``value``, which with its key counts ``weight`` characters, and drop the least recently used ones."""
        with self._lock:
            _, replaced = self._values.pop(key, ("", 0))
            self._values[key] = value, weight
            self._size += weight - replaced
            while self._size > self._limit:
                _, (_, dropped) = self._values.popitem(last=False)
                self._size -= dropped

    def clear(self) -> None:
        """Remove all values."""
        with self._lock:
            self._values.clear()
            self._size = 0
