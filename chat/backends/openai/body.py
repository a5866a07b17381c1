"""Splits the body of a response into events. Its first bytes, not its headers, decide on the format. No I/O."""

import re
from collections.abc import Callable

from .failures import MAX_EXCERPT_LENGTH
from .sse import BYTE_ORDER_MARK, MAX_EVENT_SIZE, Decoder, Event, EventSizeError

FIELDS = (b"data", b"event", b"id", b"retry", b"error")
"""The field names that may begin a line of an event stream; ``error`` is sent by llama.cpp."""

_STREAM = re.compile(rb"(?:data|event|id|retry|error)?[:\r\n]")


class UnexpectedBodyError(ValueError):
    """The body is neither an event stream nor JSON; ``head`` is its beginning."""

    def __init__(self, head: bytes) -> None:
        super().__init__("The body is neither an event stream nor JSON.")
        self.head = head


class Body:
    """One body as it arrives: an event stream, or one JSON text.

    ``feed`` takes the next bytes and returns the events that they complete. It raises ``EventSizeError`` and
    ``UnexpectedBodyError``.
    """

    def __init__(self) -> None:
        self.feed: Callable[[bytes], list[Event]] = self._sniff
        self.json = False
        """Whether the body is one JSON text, which is complete only at its end."""
        self._stream = Decoder()
        self._pieces: list[bytes] = []
        self._size = 0

    def end(self) -> list[Event]:
        """Take the end of the body, and return at most one event: the JSON text, or a last event without empty line.

        Raises ``UnexpectedBodyError``.
        """
        if self.feed == self._stream.feed:
            return self._stream.end()
        head = b"".join(self._pieces)
        if head and not self.json:
            raise UnexpectedBodyError(head)
        return [Event(head, b"")] if head else []

    def _sniff(self, piece: bytes) -> list[Event]:
        head = b"".join([*self._pieces, piece]).removeprefix(BYTE_ORDER_MARK).lstrip()
        self._pieces = [head]
        if _STREAM.match(head):
            self.feed = self._stream.feed
            return self.feed(head)
        if any(name.startswith(head) for name in (*FIELDS, BYTE_ORDER_MARK)):  # too short to tell, perhaps empty
            return []
        self.json = head.startswith((b"{", b"["))
        self.feed = self._gather
        self._pieces = []
        return self._gather(head)

    def _gather(self, piece: bytes) -> list[Event]:
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size > (MAX_EVENT_SIZE if self.json else MAX_EXCERPT_LENGTH):
            if self.json:
                raise EventSizeError(f"The body has at least {self._size:,} bytes; the limit is {MAX_EVENT_SIZE:,}.")
            raise UnexpectedBodyError(b"".join(self._pieces))
        return []
