"""Signals for a site's own code: what visitors ask, and what becomes of it.

    from django.dispatch import receiver
    from llm_chat.signals import ChatRefused, answered, asking

    @receiver(asking)
    def moderate(text, **_):
        if "password" in text:
            raise ChatRefused("Never write passwords here.")

Receivers run on the threads of tools and hooks, never on the event loop, and in the site's own language. An exception
in one is logged, and ends no answer; only ``ChatRefused`` in a receiver of ``asking`` has an effect. The sender is
the class of the assistant. Without receivers, a signal costs nothing.
"""

from typing import Any

from django.dispatch import Signal

from .errors import ChatRefused

__all__ = ["ChatRefused", "answered", "asking", "limit_reached", "rated", "tool_called"]


class AskingSignal(Signal):
    """A signal whose receivers may raise ``ChatRefused``, which is no failure of theirs to be logged."""

    def _log_robust_failure(self, receiver: Any, err: BaseException) -> None:
        """Log what a receiver raised, unless it is a refusal. Django calls this, and does the logging."""
        if not isinstance(err, ChatRefused):
            super()._log_robust_failure(receiver, err)  # type: ignore[misc]


asking = AskingSignal()
"""A visitor has asked something that is new, and nothing is stored yet. The model is called after all receivers.

A receiver can raise ``ChatRefused`` with a sentence for the visitor, whose text returns to the composer. A repeated
request is not asked about again.

Arguments: ``assistant``, an instance with ``user``, ``about`` and ``language``; ``text``, the question, or the text of
the button, empty if another answer to an earlier question is wanted; ``kind``: ``"question"``, ``"edit"``, ``"button"``
or ``"another"``; ``conversation``, the ``uid`` of the conversation, which may not exist yet.
"""

answered = Signal()
"""An answer has ended, however it ended, and is stored. An answer that waits for a decision has not ended.

If a process dies, the one that ends its answers sends the signal. If a process dies between the two, nobody does.

Arguments: ``message``, the answer, with its ``status``, ``text``, ``usage``, ``conversation`` and its ``parent``, the
question.
"""

tool_called = Signal()
"""A tool has been called, and how that ended is stored.

Arguments: ``call``, a ``ToolCall``, with its ``name``, ``input``, ``state``, ``output``, ``error`` and
``message_id``; ``assistant``, as for ``asking``.
"""

rated = Signal()
"""A visitor has rated an answer, has changed the rating or has removed it.

Arguments: ``message``, the answer; ``value``, 1, -1, or 0 if the rating was removed; ``comment``, empty without one.
"""

limit_reached = Signal()
"""A message was refused, or an answer has ended as ``cut``, because of ``CHAT["LIMITS"]`` or ``Assistant.limits``.

A refused message that is sent again is refused, and sent to the receivers, again. A title that a limit does not allow
sends nothing.

Arguments: ``assistant``, as for ``asking``; ``who``, whose limit it is: ``"anonymous"``, ``"user"``, ``"address"``,
``"site"`` or ``"assistant"``; ``measure``: ``"answers"``, ``"tokens"`` or ``"cost"``; ``limit``, such as ``"30/day"``;
``retry_at``, the time in UTC at which that window ends; ``conversation``, the ``uid`` of the conversation, which may
not exist yet; ``message_id``, the primary key of the answer that was cut, ``None`` if a message was refused.
"""
