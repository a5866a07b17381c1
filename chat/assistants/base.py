"""The base class of a site's assistants."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from django.contrib.auth import get_user_model
from django.utils.functional import Promise

from ..models import Conversation


@dataclass(frozen=True, slots=True)
class Starter:
    """A question that an empty chat offers; a click sends it. ``text`` may be a lazy translation."""

    text: str | Promise


class Assistant:
    """The base class of those who answer.

    A site defines a subclass in the module ``assistants`` of one of its apps::

        from llm_chat.assistants import Assistant, Starter

        class Default(Assistant):
            instructions = "You help customers of a bicycle shop."
            starters = [Starter("Where is my parcel?")]

    The assistant named ``default`` answers in ``{% chat %}``, another one in ``{% chat "its name" %}``. Without one
    named ``default``, that is the model ``"default"`` of ``CHAT["BACKENDS"]`` with ``CHAT["SYSTEM_PROMPT"]`` and no
    starters. An instance is made for each turn and each page.

    Args:
        conversation: the conversation in which the visitor asks; ``None`` where that is not known yet.
        user_id: the primary key of the visitor's account, where there is no conversation yet.
        about: the object that the conversation is about.
        language: the language of the page that asks, such as ``"de"``.
    """

    name: ClassVar[str] = ""
    """1 to 64 letters, digits, hyphens and underscores; if it is empty, the name of the class in lower case."""

    label: ClassVar[str | Promise] = ""
    """What pages call the assistant; if it is empty, its name."""

    abstract: ClassVar[bool] = False
    """Whether the class is only a base of others. Set it in the class itself; it is not inherited."""

    backend: ClassVar[str | Sequence[str]] = "default"
    """The entry of ``CHAT["BACKENDS"]`` whose model answers; or several: the next where one fails before it answers."""

    instructions: ClassVar[str | Promise] = ""
    """What the model is told before the conversation; an empty text tells it nothing."""

    about: ClassVar[Any] = ()
    """The model of the objects that it talks about, in ``{% chat "support" about=order %}``; or several, in a list.

    Each is a class or a string such as ``"shop.Order"``. In an instance, ``about`` is the object, or ``None``.
    """

    starters: ClassVar[Sequence[Starter]] = ()
    """What an empty chat offers to ask."""

    max_steps: ClassVar[int] = 8
    """How often the model is called for one answer, at most; after each call but the last, the tools run."""

    def __init__(
        self,
        conversation: Conversation | None = None,
        *,
        user_id: Any = None,
        language: str = "",
        about: Any = None,
    ) -> None:
        self.conversation = conversation
        self.about = about  # type: ignore[misc]
        self.language = language
        self.user_id = user_id if conversation is None else conversation.user_id

    @cached_property
    def user(self) -> Any:
        """The account of the visitor, from the server's record; ``None`` without one.

        The first use queries the database, except in an ``async`` hook, for which it has been read before.
        """
        if self.user_id is None:
            return None
        return get_user_model()._default_manager.filter(pk=self.user_id).first()

    def has_permission(self) -> Any:
        """Return whether the visitor may use the chat: ``True`` or ``False``. Everybody may by default.

        Asked for each page and each turn, before anything is stored, without a conversation. An override may be
        ``async``. Raising an exception refuses. Who may not use the chat can still read the conversations.
        """
        return True

    def has_about_permission(self, about: Any) -> Any:
        """Return whether the visitor may talk about an object: ``True`` or ``False``. Everybody may by default.

        Asked after ``has_permission``, for each page and each turn, with the object as it is now.
        """
        return True

    def limits(self) -> Any:
        """Return how much the visitor may use of this assistant, such as ``{"answers": "20/hour"}``; it has no limit.

        That has the form of one entry of ``CHAT["LIMITS"]``, and counts besides those. Asked for each question and each
        decision, without a conversation. An override may be ``async``.
        """
        return {}

    def get_instructions(self) -> Any:
        """Return the instructions of this turn. An override may be ``async``; it runs outside of our transactions."""
        return self.instructions
