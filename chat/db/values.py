"""A turn: what is asked for, and what it found or began."""

from dataclasses import dataclass, field

from ..models import Conversation, Message
from ..owners import Owner
from ..parts import Part
from .branches import Stretch


@dataclass(frozen=True, slots=True)
class Turn:
    """An answer that is to be made (``fresh``), or that a repeated request found."""

    conversation: Conversation
    question: Message
    answer: Message
    fresh: bool
    history: list[dict[str, str]] = field(default_factory=list)
    begun: tuple[Part, ...] = ()
    """What the answer already holds, where it goes on from another one."""
    turned: bool = False
    """Whether the conversation shows another branch now, with nothing new on it."""
    shown: Stretch = field(default_factory=Stretch)
    """What was asked for and what stands below it, for a client that shows whole branches; its end is the tip."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A new message of the visitor's.

    ``edits`` says that it replaces an earlier one of the same id, ``attempt`` is the client's name for that edit;
    ``whole`` says that the client shows whole branches, rather than one question and its answer.
    """

    owner: Owner
    uid: str
    """The conversation's."""
    question: str
    """The message's id, which the client makes."""
    text: str
    edits: bool = False
    attempt: str | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Regenerate:
    """Another answer: to the question ``message``, or in place of the answer ``message``, or of the last answer."""

    owner: Owner
    uid: str
    """The conversation's."""
    message: str | None
    attempt: str | None
    continues: bool = False
    """Whether the new answer begins with the text of the answer ``message``."""
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Writer:
    """Who makes the answers: this process, and the budget in characters of the histories that its model takes."""

    process: str
    model: str
    budget: int
    prefills: bool = False
    """Whether the model goes on from a last message of its own."""
