"""What is written of an answer while it is made, and at its end."""

from dataclasses import dataclass
from typing import Any

import msgspec
from django.db import transaction
from django.utils import timezone

from ..chunks import Part, TextPart
from ..models import Conversation, Message


@dataclass(frozen=True, slots=True)
class Written:
    """What an answer holds so far: for a checkpoint, or at its end."""

    answer: int
    parts: tuple[Part, ...]

    @property
    def columns(self) -> dict[str, Any]:
        """The two columns that hold a message's content."""
        text = "\n\n".join(part.text for part in self.parts if isinstance(part, TextPart))
        return {"parts": msgspec.to_builtins(self.parts), "text": text}


@dataclass(frozen=True, slots=True)
class End:
    """How an answer ended; ``error`` is a code of ``chat.chunks.ERRORS``."""

    status: str
    finish_reason: str = ""
    error: str = ""
    usage: dict[str, Any] | None = None


@transaction.atomic
def finish(process: str, written: Written, end: End) -> bool:
    """Write an answer's last state and free its conversation; ``False`` where another process has ended it.

    Written again, as after a commit whose acknowledgement was lost, it is found as it was meant to be.
    """
    mine = Message.objects.filter(pk=written.answer, status=Message.Status.RUNNING, process_id=process)
    columns = written.columns
    taken = mine.update(
        **columns,
        status=end.status,
        finish_reason=end.finish_reason,
        error=end.error,
        usage=end.usage,
        process=None,
        ended_at=timezone.now(),
    )
    Conversation.objects.filter(running_id=written.answer).update(running=None, updated_at=timezone.now())
    return bool(taken) or Message.objects.filter(pk=written.answer, status=end.status, text=columns["text"]).exists()
