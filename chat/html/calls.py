"""The calls of tools as templates see them, stored and live."""

import logging
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.template import TemplateDoesNotExist
from django.template.loader import get_template
from django.utils import timezone
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from ..conf import conf
from ..models import Message, ToolCall
from ..owners import Owner
from ..sources import without_marks
from .data import DataView, data_view, input_summary, label, output_summary

logger = logging.getLogger(__name__)

State = ToolCall.State

DEFAULT = "llm_chat/tools/default.html"

_SENTENCES = (
    _("The tool failed."),
    _("The server had no time to run this tool."),
    _("It is not known whether this call took effect."),
    _("There is no such tool."),
)
"""What the app itself says about calls, in English, as models read it. Pages translate it."""

_reported: set[tuple[str, type[Exception]]] = set()
"""The templates that have failed, and how, as far as the log has it."""


@dataclass(frozen=True, slots=True)
class CallConversation:
    """The variable ``conversation`` of a tool's template: only what never changes, because it may be rendered live."""

    id: str = ""
    assistant: str = ""
    """The name of the assistant, which is also the variable ``assistant``."""
    owner: str = ""
    """The digest of its owner, for buttons."""
    read_only: bool = False
    """Whether the page only shows the call: it lacks the form that buttons belong to."""


NOWHERE = CallConversation()
"""That of a message that belongs to no conversation, such as a shared copy."""


@dataclass(frozen=True, slots=True)
class CallView:
    """The variable ``call`` of a tool's template.

    ``state`` is ``asked`` (the visitor can decide now), ``running``, ``done``, ``failed``, ``unknown``, ``denied`` or
    ``expired``. ``input`` and ``output`` are plain data; ``progress`` is what the tool says while it runs; ``question``
    is what the visitor was asked before, in the language of the page that asked.
    """

    name: str
    input: Any
    state: str = ToolCall.State.RUNNING.value
    output: Any = None
    progress: str = ""
    reason: str = ""
    """Why it failed, as the model reads it."""
    id: str = ""
    """The ``uid`` of the call."""
    question: str = ""
    expires: datetime | None = None
    """Until when the visitor can decide; ``None``: without end."""

    @property
    def label(self) -> str:
        """Return the name in words."""
        return label(self.name)

    @property
    def summary(self) -> str:
        """Return the input in one short line; empty without any."""
        return input_summary(self.input) if isinstance(self.input, dict) else ""

    @property
    def result(self) -> str:
        """Return the output in one short line, in the active language; empty without any."""
        return output_summary(self.output)

    @property
    def error(self) -> str:
        """Say in the active language why the call failed; empty if it did not. The site's own sentences stay."""
        return gettext(self.reason) if self.reason in _SENTENCES else self.reason

    @property
    def input_data(self) -> DataView:
        """Return the input as templates can show it."""
        return data_view(self.input)

    @property
    def output_data(self) -> DataView:
        """Return the output as templates can show it."""
        return data_view(self.output)


def call_view(call: ToolCall, *, waiting: bool = False) -> CallView:
    """Make the view of a stored call; ``waiting`` says that its answer waits for the visitor."""
    denied = call.state in (State.DENIED, State.EXPIRED)
    return CallView(
        call.name,
        call.input,
        _shown_state(call, waiting),
        without_marks(call.output),
        reason="" if denied else call.error,
        id=call.uid,
        question=call.question,
        expires=in_time_zone(call.expires_at),
    )


def in_time_zone(moment: datetime | None) -> datetime | None:
    """Give a time the time zone of ``TIME_ZONE``, as templates show it in a site with ``USE_TZ = False``."""
    if moment is None:
        return None
    aware = moment if timezone.is_aware(moment) else timezone.make_aware(moment, timezone.get_default_timezone())
    return timezone.localtime(aware, timezone.get_default_timezone())


def _shown_state(call: ToolCall, waiting: bool) -> str:
    """Return the state of a call as visitors see it: one that nobody can decide about yet is under way."""
    if call.is_expired:
        return State.EXPIRED.value
    if call.is_over or (waiting and call.state == State.ASKED):
        return str(call.state)
    return State.RUNNING.value


def conversation_of(message: Message) -> CallConversation:
    """Return the conversation of a message, without a query: this is also called on the event loop."""
    if not Message.conversation.is_cached(message):
        return NOWHERE
    conversation = message.conversation
    return CallConversation(conversation.uid, conversation.assistant, Owner(conversation.owner).digest)


def templates_of(tool: str, assistant: str) -> list[str]:
    """Name the templates that may show a call of a tool; the first that exists does."""
    own = [f"llm_chat/tools/{assistant}/{tool}.html"] if _is_name(assistant) else []
    return [*own, f"llm_chat/tools/{tool}.html", DEFAULT] if _is_name(tool) else [DEFAULT]


def call_html(call: CallView, conversation: CallConversation) -> SafeString:
    """Render a call by the site's template for it, or by the app's own.

    A template that fails is reported in the log, and the next one takes its place: an error in it must cost neither the
    page of a conversation nor the answer of a reader.
    """
    context = {"call": call, "assistant": conversation.assistant, "conversation": conversation}
    for name in templates_of(call.name, conversation.assistant):
        try:
            template = get_template(name)
        except TemplateDoesNotExist:
            continue
        except Exception as error:
            _report(name, error)
            continue
        try:
            return mark_safe(template.render(context))  # noqa: S308
        except Exception as error:
            _report(name, error)
    return escape(call.label)


def _report(name: str, error: Exception) -> None:
    """Log the failure of a template; once only, because a page may show it hundreds of times, unless in DEBUG."""
    failure = name, type(error)
    if conf.debug or failure not in _reported:
        _reported.add(failure)
        logger.error("The template %s failed, so another one shows the call of the tool.", name, exc_info=error)


def _is_name(name: str) -> bool:
    """Tell whether the name of a tool or an assistant may be part of a path."""
    return re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", name) is not None
