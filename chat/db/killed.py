"""The call of a model that was under way when its process died, for the ledger: nobody has its usage report."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from ..conf import conf
from ..models import Message, ToolCall, Usage
from ..prices import Prices
from ..tokens import Tokens, estimated
from .calls import result_text
from .usage import Calling, estimated_output


def under_way(message: Message, parts: Sequence[Mapping[str, Any]]) -> Usage | None:
    """Return the call of a model that a dead process was reading, estimated from the texts; ``None`` if there was none.

    Ask before the calls of its tools are given up: while one is open, no model is called.

    Args:
        message: the running answer, with its conversation.
        parts: its parts, as far as they are known.
    """
    if message.calling is None:
        return None
    calls = list(ToolCall.objects.filter(message=message))
    if any(not call.is_over or call.ends_answer for call in calls):
        return None
    calling = msgspec.convert(message.calling, Calling)
    results = sum(estimated(result_text(call, {})) for call in calls if call.step == calling.step - 1)
    conversation = message.conversation
    found = Usage(
        owner=conversation.owner,
        user_id=conversation.user_id,
        assistant=conversation.assistant,
        backend=calling.backend,
        model=message.model,
        message=message,
        step=calling.step,
        started_at=max((call.ended_at for call in calls if call.ended_at), default=message.created_at),
    )
    written = max(0, estimated_output(parts) - calling.begun)
    tokens = Tokens(input=calling.input + results, output=written)
    found.count(tokens, Usage.Source.ESTIMATED, Prices(conf.prices).find(message.model, calling.url))
    return found
