"""The sources that the tools of a stored answer have found, in the order of its parts."""

from collections.abc import Mapping

import msgspec

from ..models import UNFINISHED, Message, ToolCall
from ..parts import SOURCE, TOOL
from ..sources import AnswerSource, Sources

State = ToolCall.State


def sources_by_part(message: Message) -> list[tuple[AnswerSource, ...]]:
    """Return, for each part of an answer, the sources that it adds to those of the parts before it.

    Those of a call count once the calls before it have ended, because their numbers follow from the order of the calls.
    """
    sources = Sources()
    found: list[tuple[AnswerSource, ...]] = []
    waiting = False
    for part in message.parts:
        call = message.calls.get(part["call"]) if part["type"] == TOOL else None
        waiting = waiting or (call is not None and call.state in UNFINISHED)
        if call is not None and call.state == State.DONE and not waiting:
            found.append(sources.add(call.output))
        else:
            found.append((msgspec.convert(part, AnswerSource),) if part["type"] == SOURCE else ())
    return found


def numbers_of(message: Message) -> Mapping[str, int]:
    """Return the numbers of an answer's sources, by their URLs."""
    return {source.url: source.number for found in sources_by_part(message) for source in found}
