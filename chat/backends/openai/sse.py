"""Decodes server-sent events from bytes that arrive in pieces of any size.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html, "Parsing an event stream". Only ``data`` and
``event`` are read, and ``error``, a field of llama.cpp's own. Nothing here reconnects, so ``id`` and ``retry`` have no
use.
"""

from typing import NamedTuple

MAX_EVENT_SIZE = 8 * 1024 * 1024
"""The size limit of an event, and of a line, in bytes."""

DATA, END = b"data: ", b"\n\n"
"""The beginning and the end of an event that is one line of data, as nearly all are."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event: the lines of its ``data`` joined by line feeds, and its ``event`` field, empty if it has none."""

    data: bytes
    name: bytes


class EventSizeError(ValueError):
    """An event exceeds the decoder's size limit, which the message names."""


class Decoder:
    """The state of one stream between two reads.

    An event is complete at its blank line. An event without one at the end of the stream was most likely cut off;
    ``end`` returns it to a caller that can check.
    """

    def __init__(self, max_size: int = MAX_EVENT_SIZE) -> None:
        self._max_size = max_size
        self._line: list[bytes] = []  # pieces of the unfinished line, joined once: a byte at a time stays linear
        self._line_size = 0
        self._data: list[bytes] = []
        self._data_size = 0
        self._name = b""
        self._after_cr = False
        self._first_line = True

    def feed(self, piece: bytes) -> list[Event]:
        """Take the next bytes, and return the events that they complete. Raises ``EventSizeError``."""
        if piece.startswith(DATA) and piece.endswith(END) and not self._unfinished and len(piece) < self._max_size:
            values = piece[len(DATA) : -len(END)].split(END + DATA)
            if piece.count(b"\n") == len(END) * len(values) and b"\r" not in piece:
                return [Event(value, b"") for value in values]
        if b"\r" in piece or self._after_cr:
            piece = self._with_line_feeds(piece)
        head, *more = piece.split(b"\n")
        self._line.append(head)
        self._line_size += len(head)
        self._check(self._line_size)
        if not more:
            return []
        *lines, rest = b"".join(self._line), *more
        self._line, self._line_size = [rest], len(rest)
        return self._take(lines)

    def end(self) -> list[Event]:
        """Take the end of the stream, and return the last event if its blank line is missing."""
        return self.feed(b"\n\n")

    @property
    def _unfinished(self) -> bool:
        """Tell whether the next line may belong to something that arrived before it."""
        return bool(self._line_size or self._data or self._name or self._first_line or self._after_cr)

    def _with_line_feeds(self, piece: bytes) -> bytes:
        """End every line with LF. A CR ends its line at once, so that no event waits for the next one's first byte."""
        if self._after_cr and piece:
            piece = piece.removeprefix(b"\n")
            self._after_cr = False
        self._after_cr = self._after_cr or piece.endswith(b"\r")
        return piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _take(self, lines: list[bytes]) -> list[Event]:
        if self._first_line:
            self._first_line = False
            lines[0] = lines[0].removeprefix(BYTE_ORDER_MARK)
        events: list[Event] = []
        for line in lines:
            if not line:
                if self._data:
                    events.append(Event(b"\n".join(self._data), self._name))
                self._data, self._data_size, self._name = [], 0, b""
            else:
                self._take_field(line)
        return events

    def _take_field(self, line: bytes) -> None:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
            self._data_size += len(line)
            self._check(self._data_size)
        elif field == b"event":
            self._name = value
        elif field == b"error":  # from llama.cpp, in place of an event of that name
            self._data.append(value)
            self._name = field

    def _check(self, size: int) -> None:
        if size > self._max_size:
            raise EventSizeError(f"An event has at least {size:,} bytes; the limit is {self._max_size:,}.")
