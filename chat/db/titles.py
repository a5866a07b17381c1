"""Titles of conversations: that of the question, which ones a model may replace, and how."""

from dataclasses import dataclass

from ..models import TITLE_LENGTH, Conversation, Message


def title_of(text: str) -> str:
    """A conversation's title: the first line of its first question, cut to the column."""
    line = next(line for line in text.splitlines() if line.strip()).strip()
    return line if len(line) <= TITLE_LENGTH else line[: TITLE_LENGTH - 1].rstrip() + "…"


@dataclass(frozen=True, slots=True)
class Untitled:
    """A conversation whose title is still its question's, with the texts that a better one can be made of."""

    conversation: Conversation
    question: str
    answer: str


def untitled(answer: int) -> Untitled | None:
    """The conversation of an answer; ``None`` but for its first whole answer, and where somebody has renamed it."""
    found = Message.objects.select_related("conversation", "parent").filter(pk=answer, status=Message.Status.COMPLETE)
    message = found.first()
    if message is None or message.parent is None:
        return None
    messages = message.conversation.message_set
    first = messages.order_by("pk").values_list("text", flat=True)[0]
    earlier = messages.filter(role=Message.Role.ASSISTANT, status=Message.Status.COMPLETE).exclude(pk=answer)
    if message.conversation.title != title_of(first) or earlier.exists():
        return None
    return Untitled(message.conversation, message.parent.text, message.text)


def retitle(conversation: Conversation, title: str) -> bool:
    """Give a conversation another title, unless it has got one meanwhile: whoever renames it wins."""
    unchanged = Conversation.objects.filter(pk=conversation.pk, title=conversation.title)
    return bool(unchanged.update(title=title))
