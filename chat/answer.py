"""What the Python API returns. Importing this needs neither Django's apps nor a model."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that has ended, however it ended.

    Attributes:
        status: ``"complete"``; ``"cut"`` by its longest length or time; ``"stopped"``; ``"failed"``, ``"interrupted"``;
            or ``"waiting"``, where a tool has asked for a decision that a visitor can make on the page.
        text: what the model wrote, without its reasoning; Markdown. It may be only the beginning, unless ``status`` is
            ``"complete"``.
        parts: all of the answer, in order. Each is a dict: ``{"type": "text", "text": str}``, ``{"type": "reasoning",
            "text": str}``, perhaps with ``seconds``, or a call of a tool, ``{"type": "tool", "name": str,
            "input": dict, "state": str, "output": Any, "error": str}``.
        sources: what its tools have found to cite. Each is a dict with ``number``, ``title``, ``url``, ``excerpt``.
        usage: what the model's endpoint has reported, such as ``{"prompt_tokens": 12, "completion_tokens": 80}``;
            ``None`` if it has reported nothing.
        conversation: the ``uid`` of the conversation, for the next question; ``None`` if it is not kept.
        error: why it failed, as a code of the protocol such as ``"timeout"``; empty if it did not.
        value: with ``returns``, the value that the model returned; ``None`` unless ``status`` is ``"complete"``.
    """

    status: str
    text: str
    parts: tuple[dict[str, Any], ...] = ()
    sources: tuple[dict[str, Any], ...] = ()
    usage: dict[str, Any] | None = None
    conversation: str | None = None
    error: str = ""
    value: Any = None
