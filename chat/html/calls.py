"""The calls of tools as templates see them, stored and live."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from ..models import ToolCall
from ..sources import without_marks

_SENTENCES = (
    _("The tool failed."),
    _("The server had no time to run this tool."),
    _("It is not known whether this call took effect."),
    _("There is no such tool."),
)
"""What the app itself says about calls, in English, as models read it. Pages translate it."""


@dataclass(frozen=True, slots=True)
class CallView:
    """The variable ``call`` of a tool's template.

    ``state`` is ``running``, ``done``, ``failed`` or ``unknown``. ``input`` and ``output`` are plain data; ``progress``
    is what the tool says while it runs.
    """

    name: str
    input: Any
    state: str = ToolCall.State.RUNNING.value
    output: Any = None
    progress: str = ""
    reason: str = ""
    """Why it failed, as the model reads it."""

    @property
    def label(self) -> str:
        """Return the name in words."""
        return self.name.replace("_", " ").replace("-", " ").strip().capitalize()

    @property
    def error(self) -> str:
        """Say in the active language why the call failed; empty if it did not. The site's own sentences stay."""
        return gettext(self.reason) if self.reason in _SENTENCES else self.reason

    @property
    def input_text(self) -> str:
        """Return the input as indented JSON; empty without any."""
        return _indented(self.input) if self.input else ""

    @property
    def output_text(self) -> str:
        """Return the output as text, or as indented JSON; empty without any."""
        if self.output is None or self.output == "":
            return ""
        return self.output if isinstance(self.output, str) else _indented(self.output)

    @property
    def templates(self) -> Sequence[str]:
        """Name the templates that may show the call; the first that exists does."""
        own = [f"llm_chat/tools/{self.name}.html"] if re.fullmatch(r"[\w-]+", self.name, re.ASCII) else []
        return [*own, "llm_chat/tools/default.html"]


def call_view(call: ToolCall) -> CallView:
    """Make the view of a stored call."""
    return CallView(call.name, call.input, str(call.state), without_marks(call.output), reason=call.error)


def _indented(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
