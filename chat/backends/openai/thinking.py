"""Separates the reasoning that a model writes into its text, between tags, from the answer. No I/O.

The tags are those of DeepSeek R1, Qwen and most open reasoning models (``<think>``), of Gemini's endpoint
(``<thought>``), of Claude if it is prompted to (``<thinking>``), and of Magistral (``[THINK]``).
"""

from collections.abc import Callable

from ..base import Reasoning, Text

TAGS = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<thought>": "</thought>",
    "[THINK]": "[/THINK]",
}
"""Each opening tag with its closing one."""

MAX_BLANK = 1_000
"""How much white space is held back before the first word; a text that begins with more is passed on as it is."""


class Thoughts:
    """Splits one text, which arrives in pieces of any size, into reasoning and answer.

    The reasoning is between the tags at the very beginning, apart from white space. With ``inside`` it is everything
    before the closing tag, because some chat templates write the opening one themselves. A tag anywhere else is text;
    reasoning whose tag is never closed extends to the end.
    """

    def __init__(self, *, inside: bool = False) -> None:
        self.over = False
        """Whether the answer has begun; everything that follows is passed on as text."""
        self._inside = inside
        self._held = ""
        self._close = ""
        self._begun = False  # the reasoning has a first word
        # Not a bound method: it would refer to this object, which only a garbage collection could free then.
        self._take: Callable[[Thoughts, str], list[Text | Reasoning]] = Thoughts._open

    def split(self, text: str) -> list[Text | Reasoning]:
        """Take the next piece, and return the deltas that are certain by now."""
        text, self._held = self._held + text, ""
        return self._take(self, text)

    def end(self) -> list[Text | Reasoning]:
        """Take the end of the text, and return what was held back."""
        held, self._held = self._held, ""
        if not held:
            return []
        thinks = self._take is Thoughts._think
        self.over = not thinks and not held.isspace()
        return [Reasoning(held) if thinks else Text(held)]

    def _open(self, text: str) -> list[Text | Reasoning]:
        """Look for an opening tag at the beginning."""
        start = text.lstrip()
        for tag, close in TAGS.items():
            if start.startswith(tag):
                return self._start(start.removeprefix(tag), close)
        if len(text) <= MAX_BLANK and any(tag.startswith(start) for tag in TAGS):
            self._held = text
            return []
        return self._start(start, TAGS["<think>"]) if self._inside else self._text(text)

    def _start(self, text: str, close: str) -> list[Text | Reasoning]:
        self._close = close
        self._take = Thoughts._think
        return self._think(text)

    def _think(self, text: str) -> list[Text | Reasoning]:
        """Take reasoning up to its closing tag, holding back what may be the beginning of that tag."""
        thought, found, rest = text.partition(self._close)
        if not found:
            kept = len(text) - _overlap(text, self._close)
            thought, self._held = text[:kept], text[kept:]
        if not self._begun:
            thought = thought.lstrip()
            self._begun = bool(thought)
        said: list[Text | Reasoning] = [Reasoning(thought)] if thought else []
        if found:
            self._take = Thoughts._answer
            said += self._answer(rest)
        return said

    def _answer(self, text: str) -> list[Text | Reasoning]:
        """Take the text after the reasoning, without the white space before it."""
        text = text.lstrip()
        return self._text(text) if text else []

    def _text(self, text: str) -> list[Text | Reasoning]:
        self.over = True
        self._take = Thoughts._text
        return [Text(text)]


def _overlap(text: str, tag: str) -> int:
    """Count the characters at the end of a text that may be the beginning of a tag."""
    most = min(len(text), len(tag) - 1)
    return next((size for size in range(most, 0, -1) if tag.startswith(text[-size:])), 0)
