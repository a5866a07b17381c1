"""Input as the WebDriver standards describe it: BiDi and its predecessor have the same actions."""

import re
from abc import ABC, abstractmethod
from typing import Any

from selenium.webdriver.common.keys import Keys


class Acting(ABC):
    """A tab that takes the standard's actions."""

    @abstractmethod
    def act(self, kind: str, *steps: dict[str, Any]) -> None:
        """Let the mouse (``pointer``) or the keyboard (``key``) do something."""

    def click(self, x: float, y: float) -> None:
        """Click at a place in the window, in pixels."""
        self.move(x, y)
        self.act("pointer", *({"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp")))

    def move(self, x: float, y: float) -> None:
        """Point at a place in the window."""
        self.act("pointer", {"type": "pointerMove", "x": round(x), "y": round(y)})

    def type(self, text: str) -> None:
        """Press the keys of a text, one after the other."""
        self.act("key", *({"type": kind, "value": letter} for letter in text for kind in ("keyDown", "keyUp")))

    def press(self, chord: str) -> None:
        """Press keys together, by the names of ``KeyboardEvent.key``: ``Control+a``."""
        keys = [_value(name) for name in chord.split("+")]
        steps = [("keyDown", keys), ("keyUp", keys[::-1])]
        self.act("key", *({"type": kind, "value": key} for kind, pressed in steps for key in pressed))


def _value(name: str) -> str:
    """Return the standard's character for a key that has a name, such as ``ArrowUp``."""
    return name if len(name) == 1 else str(getattr(Keys, "_".join(re.findall("[A-Z][a-z]+", name)).upper()))
