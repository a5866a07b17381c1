"""Carries out the visitor's decisions about calls, and lets their answers go on."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from django.core.exceptions import ImproperlyConfigured

from ..assistants import Assistant
from ..assistants.discovery import backends_of
from ..assistants.permission import tools_for
from ..assistants.tools import ArgumentsError, tools_of
from ..backends.loading import Named
from ..db import decisions
from ..db.counters import Meter
from ..db.decisions import Decide
from ..db.threads import in_database
from ..db.values import Subject, Turn, Writer
from ..errors import Refusal
from ..events import Event
from ..models import Message, ToolCall
from ..owners import Owner
from .admission import admitted
from .calls import NO_TOOL
from .engine import Engine, State
from .fallback import writer_of
from .meter import meter_of
from .start import start

logger = logging.getLogger(__name__)


async def decide(engine: Engine, asked: Decide, follow: Callable[[Message], None] | None = None) -> Turn:
    """Store decisions, and let the answer go on if nothing is left to decide about it: then the turn is ``fresh``.

    The work is a task of the process: it is completed, and ``follow`` is called with the answer, even if the caller is
    cancelled. Raises ``Refusal`` and ``django.db.Error``.
    """
    return await engine.tasks.complete(_decide(engine, asked, follow))


async def _decide(engine: Engine, asked: Decide, follow: Callable[[Message], None] | None) -> Turn:
    if engine.state is State.NEW:
        await engine.start()
    calls = await in_database(decisions.asked, asked)
    conversation = calls[0].message.conversation
    assistant = await admitted(asked.owner, Subject.of(conversation), calls[0].language)
    asked = replace(asked, unfit=await _unfit(assistant, calls))
    meter = await _meter(engine, assistant, asked.owner, asked.network)
    async with engine.locks[asked.owner, asked.uid]:
        if engine.draining:
            raise Refusal("draining")
        turn = await in_database(decisions.decide, asked, _writer(engine, assistant))
        if turn.fresh:
            assistant.conversation = turn.conversation
            start(engine, replace(turn, meter=meter), assistant)
        elif turn.answer.status == Message.Status.WAITING:
            engine.events.publish(asked.owner.key, Event.decided(turn.answer))
    if follow is not None:
        follow(turn.answer)
    return turn


async def _unfit(assistant: Assistant, calls: Sequence[ToolCall]) -> dict[str, str]:
    """Return why calls can no longer be carried out, by the ``uid`` of the call: the site may have changed its tool.

    Raises ``Refusal`` if the visitor lacks the permission of one of the tools.
    """
    there, permitted = tools_of(type(assistant)), await tools_for(assistant)
    unfit: dict[str, str] = {}
    for call in calls:
        if call.name in there and call.name not in permitted:
            raise Refusal("forbidden")
        try:
            if call.name not in there:
                raise ArgumentsError(NO_TOOL)
            there[call.name].check(call.input)
        except ArgumentsError as error:
            unfit[call.uid] = str(error)
    return unfit


def _writer(engine: Engine, assistant: Assistant) -> Writer:
    return writer_of(engine.process, type(assistant), _named(engine, assistant))


def _named(engine: Engine, assistant: Assistant) -> Named:
    return engine.backends.named(backends_of(type(assistant)))[0]


async def _meter(engine: Engine, assistant: Assistant, owner: Owner, network: str = "") -> Meter | None:
    """Return the limits of the calls that follow a decision, which is itself never refused for a limit."""
    return await meter_of(assistant, owner, network, _named(engine, assistant))


async def go_on_ready(engine: Engine) -> None:
    """Start runs for the answers that nobody carries on although nothing is left to decide (``decisions.ready``).

    Two processes may do so at the same time. Raises ``django.db.Error``.
    """
    for answer in await in_database(decisions.ready):
        try:
            await _go_on(engine, answer)
        except Refusal as refusal:
            logger.info("The answer %s does not go on: %s.", answer.pk, refusal.code)
        except ImproperlyConfigured:  # of one assistant
            logger.exception("The answer %s cannot go on.", answer.pk)


async def _go_on(engine: Engine, answer: Message) -> None:
    conversation = answer.conversation
    owner = Owner(conversation.owner, conversation.user_id)
    language = next((call.language for call in answer.calls.values() if call.question), "")
    assistant = await admitted(owner, Subject.of(conversation), language)
    meter = await _meter(engine, assistant, owner)
    async with engine.locks[owner, conversation.uid]:
        if engine.draining:
            return
        turn = await in_database(decisions.go_on, answer.pk, _writer(engine, assistant))
        if turn is not None:
            assistant.conversation = turn.conversation
            start(engine, replace(turn, meter=meter), assistant)
