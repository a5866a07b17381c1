"""How a log stands in Redis: a stream of one entry per chunk, whose ids keep a second writer out.

The chunk number ``n`` has the entry id ``0-<n + 1>`` (Redis has no ``0-0``), and Redis takes ids in rising order only.
A process that takes a log over adds a fence, ``1-0``, and its own chunks as ``1-<n + 1>``: from then on every entry of
the former writer is refused. Source: https://redis.io/docs/latest/commands/xadd/.
"""

from collections.abc import Iterable, Sequence

import msgspec

from .. import chunks
from ..chunks import Chunk

LOGGED = (
    chunks.Start
    | chunks.StartStep
    | chunks.FinishStep
    | chunks.TextStart
    | chunks.TextDelta
    | chunks.TextEnd
    | chunks.ReasoningStart
    | chunks.ReasoningDelta
    | chunks.ReasoningEnd
    | chunks.Status
    | chunks.Finish
    | chunks.Abort
    | chunks.Error
)
"""The chunks that a run appends; those of the html view are made by its readers."""

FIELD = b"c"
FENCE = "1-0"

Entry = tuple[bytes, dict[bytes, bytes]]
Command = tuple[str | bytes | int, ...]

encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(LOGGED).decode


def log_key(prefix: str, answer: int) -> str:
    """The stream of an answer's log."""
    return f"{prefix}:log:{answer}"


def stops_key(prefix: str, process: str) -> str:
    """The list of the answers that a process is asked to stop."""
    return f"{prefix}:stops:{process}"


def add(key: str, number: int, chunk: Chunk, epoch: int = 0) -> Command:
    """Add a chunk; only the first of a log may make the stream, so that a Redis that came back empty is noticed."""
    create: tuple[str, ...] = () if number == 0 and epoch == 0 else ("NOMKSTREAM",)
    return ("XADD", key, *create, f"{epoch}-{number + 1}", FIELD, encode(chunk))


def place(entry: Entry) -> tuple[int, int]:
    """The epoch of an entry and the number of its chunk; the fence has the number -1."""
    epoch, _, number = entry[0].partition(b"-")
    return int(epoch), int(number) - 1


def read(entries: Iterable[Entry], held: int) -> list[Chunk]:
    """The chunks of a stream's entries behind the first ``held`` ones, up to a gap or an ending."""
    found: list[Chunk] = []
    for entry in entries:
        if FIELD not in entry[1]:
            continue
        if place(entry)[1] != held + len(found):
            break
        chunk = _decode(entry[1][FIELD])
        found.append(chunk)
        if isinstance(chunk, chunks.Ending):
            break
    return found


def last_id(entries: Sequence[Entry], taken: int, before: str) -> str:
    """The id of the last entry that was taken, where ``taken`` of the entries' chunks were."""
    for entry in entries:
        if FIELD in entry[1]:
            if taken == 0:
                break
            taken -= 1
        before = entry[0].decode()
    return before
