"""Counts answers when they end, for ``/metrics``."""

from ..models import Message
from ..prometheus import ANSWERS, DURATION, FIRST_TOKEN
from .run import Run


def count_run(run: Run) -> None:
    """Count an answer of this process at the end of its run; not one that was deleted or taken over."""
    ending = run.ending
    if ending is None:
        return
    ANSWERS.add(run.turn.conversation.assistant, ending.status, ending.error)
    times = run.times
    DURATION.observe(times.now - times.began)
    if times.spoke is not None:
        FIRST_TOKEN.observe(times.spoke - times.began)


def count_recovered(answer: Message) -> None:
    """Count an answer that this process has ended for a dead one."""
    ANSWERS.add(answer.conversation.assistant, answer.status, answer.error)
