"""Encodes streams for Redis: one entry per chunk, with ids that keep a second writer out.

The chunk number ``n`` has the entry id ``0-<n + 1>`` (Redis has no ``0-0``), and Redis accepts only rising ids. A
process that takes a stream over adds a fence, ``1-0``, and its own chunks as ``1-<n + 1>``; from then on Redis refuses
every entry of the former writer. Source: https://redis.io/docs/latest/commands/xadd/.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import reduce
from operator import or_

import msgspec

from ...chunks import Abort, Chunk, Closing, Error, Finish, FinishStep, Start, StartStep, Status
from ...parts import CHUNKS
from ..base import StreamKey

STORED = (Start, StartStep, *CHUNKS, Status, FinishStep, Finish, Abort, Error)
"""The chunks that a run appends; those of the html format are made for each reader and not stored."""

FIELD, END, LOST = b"c", b"end", b"lost"
"""The field of an entry: a chunk, or a mark that the stream was closed or given up without a last chunk."""

FENCE, BY = "1-0", b"by"

Entry = tuple[bytes, dict[bytes, bytes]]
Command = tuple[str | bytes | int, ...]

encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(reduce(or_, STORED)).decode


def stream_key(prefix: str, key: StreamKey) -> str:
    """Return the Redis key of a run's stream."""
    return f"{prefix}:log:{key.answer_id}.{key.run}" if key.run else f"{prefix}:log:{key.answer_id}"


def stops_key(prefix: str, process: str) -> str:
    """Return the Redis key of the list of answers that a process is asked to stop."""
    return f"{prefix}:stops:{process}"


def add(key: str, number: int, chunk: Chunk, epoch: int = 0) -> Command:
    """Make the command that adds a chunk. Only the first chunk may create the key, so that data loss is noticed."""
    return _add(key, number, FIELD, encode(chunk), epoch)


def end(key: str, number: int, *, lost: bool) -> Command:
    """Make the command that closes a stream of ``number`` chunks, the last of which is not an ending."""
    return _add(key, number, LOST if lost else END, b"")


def _add(key: str, number: int, field: bytes, value: bytes, epoch: int = 0) -> Command:
    create: tuple[str, ...] = () if number == 0 and epoch == 0 else ("NOMKSTREAM",)
    return ("XADD", key, *create, f"{epoch}-{number + 1}", field, value)


def place(entry: Entry) -> tuple[int, int]:
    """Return the epoch of an entry and the number of its chunk; the fence has the number -1."""
    epoch, _, number = entry[0].partition(b"-")
    return int(epoch), int(number) - 1


@dataclass(slots=True)
class Found:
    """The result of reading a stream: chunks, the id of the last valid entry, and whether it is closed or lost."""

    chunks: list[Chunk] = field(default_factory=list)
    position: str = "0-0"
    closed: bool = False
    lost: bool = False


def read(entries: Iterable[Entry], held: int = 0, position: str = "0-0") -> Found:
    """Decode entries, up to a gap or the end of the stream.

    Args:
        entries: those after the id ``position``.
        held: how many chunks were read before.
        position: the id of the last entry that was read before.
    """
    found = Found(position=position)
    for entry in entries:
        fields = entry[1]
        if FIELD in fields:
            if place(entry)[1] != held + len(found.chunks):
                break
            try:
                found.chunks.append(_decode(fields[FIELD]))
            except msgspec.MsgspecError:  # written by another version of this app
                found.lost = found.closed = True
                break
        found.position = entry[0].decode()
        found.lost = LOST in fields
        found.closed = found.lost or END in fields or bool(found.chunks and isinstance(found.chunks[-1], Closing))
        if found.closed:
            break
    return found
