"""Titles by the model, if ``CHAT["TITLES"]`` asks for them: one more short call after a conversation's first answer."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from ..backends.base import Backend, BackendError, Content, Finished, Reasoning, Request, Text
from ..backends.loading import Named
from ..backends.openai.thinking import TAGS, Thoughts
from ..conf import conf
from ..db.conversations import Untitled, retitle, untitled
from ..db.counters import Meter
from ..db.threads import in_database
from ..db.usage import begin_title, end_title
from ..db.values import Turn
from ..errors import Refusal
from ..events import Event, Events
from ..models import Usage
from ..owners import Owner
from ..text import TITLE_LENGTH, storable, title_of
from ..tokens import reported
from .ledger import Call, row_of
from .tracing import Span, model_span, tokens_of

logger = logging.getLogger(__name__)

PROMPT = """\
Question: {question}

Answer: {answer}

Write a title for this conversation: at most six words, in the language of the question. Answer with the title alone."""
EXCERPT = 1_000
"""How much of the question, and how much of the answer, the model reads, in characters."""

MAX_TOKENS = 30
LONGEST = 4 * TITLE_LENGTH
"""Give up after this many characters: it is not a title."""

AROUND = " \t*_`\"'«»‹›„“”‚‘’「」『』"  # noqa: RUF001
"""Quotes and emphasis."""

BEFORE = AROUND + "#>~-–—•"  # noqa: RUF001
"""The same, and what Markdown puts before headings, quotations and list items."""


class Titles:
    """Asks the model for titles, for one process."""

    def __init__(self, events: Events, spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]) -> None:
        self._events = events
        self._spawn = spawn
        self._asking: set[asyncio.Task[None]] = set()
        self._closed = False

    def answered(self, turn: Turn, named: Named) -> None:
        """Ask for a title if this was the first complete answer of its conversation. Return at once."""
        if self._closed or conf.titles != "model" or turn.question.parent_id is not None:
            return
        if not Owner(turn.conversation.owner).is_listed:
            return
        task = self._spawn(self._ask_and_store(turn.answer.pk, named, turn.meter))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    def close(self) -> None:
        """Ask for no more titles, and cancel the calls under way, so that the process does not wait for them."""
        self._closed = True
        for task in self._asking:
            task.cancel()

    async def _ask_and_store(self, answer_id: int, named: Named, meter: Meter | None) -> None:
        """Ask for a title, store it and publish it. A failure is logged at ``INFO`` and not retried."""
        try:
            found = await in_database(untitled, answer_id)
            if found is None:
                return
            title = clean(await _asked(named, found, answer_id, meter))
            # A small model may repeat its instructions.
            if not title or title.casefold() in PROMPT.casefold():
                return
            if await in_database(retitle, found.conversation, title):
                self._events.publish(found.conversation.owner, Event.titled(found.conversation.uid, title))
        except Refusal:
            logger.info("The conversation of the answer %s got no title: a limit was reached.", answer_id)
        except BackendError as error:
            logger.info("The conversation of the answer %s got no title: %s.", answer_id, error.code)
            logger.debug("The model failed: %s: %s", error.code, error)
        except Exception as error:  # a backend of the site's own, or the database
            logger.info("The conversation of the answer %s got no title: %s.", answer_id, type(error).__name__)


async def _asked(named: Named, found: Untitled, answer_id: int, meter: Meter | None) -> str:
    """Ask the model, and enter the call in the ledger, before and after.

    Raises ``Refusal`` if a limit does not allow the call, and whatever the backend raises.
    """
    prompt = PROMPT.format(question=found.question[:EXCERPT], answer=found.answer[:EXCERPT])
    request = Request([{"role": "user", "content": prompt}], MAX_TOKENS)
    row = row_of(found.conversation, answer_id, named, kind=Usage.Kind.TITLE)
    call, reading = Call(row, named, request.messages), Reading()
    call.end(Usage.Outcome.INTERRUPTED, None, "")
    charges = replace(meter, output=MAX_TOKENS, overhead=0).charges(row.input_tokens) if meter else []
    await in_database(begin_title, row, charges)
    try:
        async with asyncio.timeout(conf.first_token_timeout):
            with model_span(named.backend) as span:
                title = await reading.read(named.backend, request, span)
        call.end(reading.outcome, reported(reading.report), reading.received)
        return title
    except BackendError as error:
        call.fail(error.code, reading.received)
        raise
    except BaseException:  # among them that it is cancelled, because the process ends
        call.end(reading.outcome, None, reading.received)
        raise
    finally:
        await in_database(end_title, row, charges)


class Reading:
    """One reply, as far as it has been read."""

    def __init__(self) -> None:
        self.received = ""
        self.report: dict[str, Any] | None = None
        self.outcome = Usage.Outcome.INTERRUPTED

    async def read(self, backend: Backend, request: Request, span: Span) -> str:
        """Return what the model wrote, up to the end of its first line, or nothing if that is too long or was cut off.

        Reasoning is left out, even if the backend passes it on as text between tags. Raises what the backend raises.
        """
        text, thoughts = "", Thoughts()
        async with aclosing(backend.stream(request)) as deltas:
            async for delta in deltas:
                if isinstance(delta, Finished):
                    self.report, self.outcome = delta.usage, Usage.Outcome.COMPLETE
                    span.note(finish_reasons=[delta.reason], **tokens_of(delta.usage))
                    return text + _text(thoughts.end()) if delta.reason == "stop" else ""
                self.received += delta.text if isinstance(delta, Content) else ""
                text += _text(thoughts.split(delta.text)) if isinstance(delta, Text) else ""
                if "\n" in text.lstrip() or len(text) > LONGEST:
                    self.outcome = Usage.Outcome.CUT
                    return text if "\n" in text.lstrip() else ""
        raise BackendError("interrupted", "The stream ended without a reason.")


def _text(deltas: Iterable[Text | Reasoning]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, Text))


def clean(text: str) -> str:
    """Make a title of what a model wrote: its first line, without quotes, Markdown and a final period."""
    for tag, close in TAGS.items():  # tags that are still there have no counterpart
        text = text.rpartition(close)[2].replace(tag, "")
    plain = storable(text).replace("**", "").replace("`", "")
    line = next((line for line in plain.splitlines() if line.strip(BEFORE)), "")
    line = line.lstrip(BEFORE).rstrip(AROUND)
    if line.endswith((".", "。")) and not line.endswith(".."):
        line = line[:-1].rstrip(AROUND)
    return title_of(line) if line else ""
