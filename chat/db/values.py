"""The values of a turn: the request for it, and the question and answer that were stored or found."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..models import Conversation, Message
from ..owners import Owner
from ..parts import Part
from .branches import Stretch
from .counters import Meter


class Subject(NamedTuple):
    """What a conversation keeps from its first turn on: the name of its assistant, and the object that it is about.

    The object is named by its model, as ``app_label.model_name``, and its primary key as text; empty: none.
    """

    assistant: str = "default"
    about_model: str = ""
    about_key: str = ""

    @classmethod
    def of(cls, conversation: Conversation) -> "Subject":
        """Return the subject of a stored conversation."""
        return cls(conversation.assistant, conversation.about_model, conversation.about_key)

    def check(self, conversation: Conversation) -> None:
        """Raise ``OtherSubjectError`` if a stored conversation has another subject."""
        if (stored := Subject.of(conversation)) != self:
            raise OtherSubjectError(stored)


DEFAULT = Subject()
"""The subject of a conversation with the assistant named ``default``, about no object."""


class Press(NamedTuple):
    """What a button calls, as the first step of the answer; ``answers`` says whether the model is asked afterwards."""

    tool: str
    arguments: dict[str, Any]
    answers: bool = True


@dataclass(frozen=True, slots=True)
class Turn:
    """A question and its answer: stored just now (``fresh``), or found because the request was repeated."""

    conversation: Conversation
    question: Message
    answer: Message
    fresh: bool
    history: list[dict[str, Any]] = field(default_factory=list)
    begun: tuple[Part, ...] = ()
    """The parts that the answer begins with, if it continues another one."""
    continued: int | None = None
    """The primary key of the answer that it continues."""
    pressed: Press | None = None
    """The button that was pressed in place of a question."""
    meter: Meter | None = None
    """The limits that the calls of its model count against."""
    returns: dict[str, Any] | None = None
    """The JSON schema of the answer, if it is to be a value."""
    goes_on: bool = False
    """Whether the answer goes on after a decision: its calls that were asked about are carried out first."""
    stopped: Message | None = None
    """The answer before the question, which has waited for a decision until then."""
    turned: bool = False
    """Whether the conversation now shows another branch, without a new message."""
    shown: Stretch = field(default_factory=Stretch)
    """The requested message and those below it, up to the tip, for a client that shows whole branches."""


class OtherSubjectError(Exception):
    """The conversation has another assistant or object than the request names. Nothing was stored.

    ``subject`` is the conversation's own.
    """

    def __init__(self, subject: "Subject") -> None:
        super().__init__(f"The conversation has the assistant {subject.assistant}.")
        self.subject = subject


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to answer a message of the visitor.

    ``edits`` says that it replaces an earlier message with the same id, and ``attempt`` is the client's id for that
    edit. ``whole`` says that the client shows whole branches, not only one question and its answer.
    """

    owner: Owner
    uid: str
    """The ``uid`` of the conversation."""
    question: str
    """The id of the message, made by the client."""
    text: str
    edits: bool = False
    attempt: str | None = None
    whole: bool = False
    language: str = ""
    """The language of the page, for the hooks of the assistant; empty for the site's own."""
    assistant: str = "default"
    """The name of the assistant of a new conversation. One that is stored keeps its own."""
    about: str = ""
    """The page's reference to the object of a new conversation."""
    press: Press | None = None
    """The button that was pressed, whose text is the question."""
    network: str = ""
    """The network from which it comes, for the limits of an address; empty if that is not known."""
    returns: dict[str, Any] | None = None
    """The JSON schema of the answer, if it is to be a value."""


@dataclass(frozen=True, slots=True)
class Regenerate:
    """A request for another answer: to the question ``message``, or in place of the answer ``message`` or the tip."""

    owner: Owner
    uid: str
    """The ``uid`` of the conversation."""
    message: str | None
    attempt: str | None
    continues: bool = False
    """Whether the new answer continues the text of the answer ``message``."""
    whole: bool = False
    language: str = ""
    """The language of the page, for the hooks of the assistant; empty for the site's own."""
    assistant: str = "default"
    """The name of the assistant, as far as the client knows."""
    about: str = ""
    """The page's reference to the object."""
    network: str = ""
    """As that of ``Ask``."""


@dataclass(frozen=True, slots=True)
class Writer:
    """The process that will write the answer, the assistant that answers, and its model's limits."""

    process: str
    model: str
    budget: int
    """The longest history that the model gets, in characters."""
    prefills: bool = False
    """Whether the model can continue a last message of its own."""
    subject: Subject = DEFAULT
    """The assistant that answers, and the object that a new conversation is about."""
    backend: str = ""
    """The alias of the backend, and the address of its endpoint, if the site has set one."""
    url: str = ""
    tools: str | None = None
    """The alias of the backend, if its model can call tools and reads what earlier answers have done with them."""
    meter: Meter | None = None
    """The limits that a question and its first call count against; ``None`` if there are none."""
    refuses_new: bool = False
    """Whether the conversation may not be a new one, because its id belongs to an object."""
