"""What a visitor has heard from the site: the frames of one request, and what they say."""

from typing import Any

from .calls import shown

ENDS = frozenset({"end", "error", "no-active"})
"""The types of the frames that end a request."""

CALLED = "tool-input-available"


class Heard:
    """The frames that answer one request, as far as they have come.

    Args:
        before: the text of the same answer that came before them.
        ended: whether the answer had ended by then, so that no frame will come.
    """

    def __init__(self, before: str = "", *, ended: bool = False) -> None:
        self.frames: list[dict[str, Any]] = []
        self._before = before
        self._ended = ended

    @property
    def begun(self) -> bool:
        """Tell whether the site has accepted or refused the request."""
        return self._ended or bool(self.frames)

    @property
    def over(self) -> bool:
        """Tell whether nothing more will come."""
        return self._ended or (bool(self.frames) and self.frames[-1]["type"] in ENDS)

    @property
    def refused(self) -> str:
        """Return the code with which the request was refused; empty if it was not."""
        return next((frame["code"] for frame in self.frames if frame["type"] == "error"), "")

    @property
    def chunks(self) -> list[dict[str, Any]]:
        """Return the chunks, as the AI SDK gets them."""
        return [frame["chunk"] for frame in self.frames if frame["type"] == "chunk"]

    @property
    def texts(self) -> list[str]:
        """Return the text of the answer in the pieces in which it came."""
        return [chunk["delta"] for chunk in self.chunks if chunk["type"] == "text-delta"]

    @property
    def text(self) -> str:
        """Return the text of the answer so far, without its reasoning."""
        return self._before + "".join(self.texts)

    def __str__(self) -> str:
        """Say what has come, for the message of a failed test."""
        if self.refused:
            return f"the request was refused as {self.refused!r}"
        calls = [shown(chunk["toolName"], chunk["input"]) for chunk in self.chunks if chunk["type"] == CALLED]
        called = f", after the calls {'; '.join(calls)}" if calls else ""
        return f"{self.text!r}{called}, and {self._end}"

    @property
    def _end(self) -> str:
        if not self.over:
            return "the answer is still running"
        failure = next((frame["code"] for frame in self.frames if "code" in frame), "")
        if failure:
            return f"then the error {failure!r}"
        stopped = any(chunk["type"] == "abort" for chunk in self.chunks)
        return "the answer was stopped" if stopped else "the answer has ended"
