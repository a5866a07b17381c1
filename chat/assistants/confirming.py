"""Asks an assistant whether its visitor must agree to a call, and with which question."""

import asyncio
import logging
from functools import partial
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from ..text import storable
from .base import Assistant
from .hooks import call, text_of
from .tools import Tool

logger = logging.getLogger(__name__)

MAX_QUESTION = 1_000
"""Length limit of a question, in characters."""

DEFAULT_QUESTION = _("Do you allow this?")


async def question_of(assistant: Assistant, tool: Tool, arguments: dict[str, Any]) -> str:
    """Return the question to ask before a call, in the language of the page; empty if none is to be asked.

    Raises what the site's ``confirm_<tool>`` raises, ``TimeoutError`` if it takes longer than the tool may, and
    ``TypeError`` if it returns anything but a text, ``True``, ``False`` or ``None``.
    """
    found: Any = tool.options.confirm
    if tool.confirms:
        hook = partial(getattr(assistant, f"confirm_{tool.name}"), **arguments)
        async with asyncio.timeout(tool.options.timeout):
            found = await call(assistant, hook)
    if found is None or found is False or found == "":
        return ""
    if found is True:
        return text_of(assistant, DEFAULT_QUESTION)
    if not isinstance(found, str | Promise):
        raise TypeError(f"confirm_{tool.name} must return a text, True, False or None, got {found!r}.")
    return storable(text_of(assistant, found))[:MAX_QUESTION]
