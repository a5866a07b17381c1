"""Enters the calls of models that one answer has made in the ledger: it keeps them until the database has them."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils import timezone

from ..backends.loading import Named
from ..conf import conf
from ..db.counters import Reserved
from ..db.usage import following_call
from ..endings import Ending
from ..models import Conversation, Usage
from ..prices import Prices
from ..tokens import Tokens, estimated, estimated_input, reported

logger = logging.getLogger(__name__)

NOT_TAKEN = {"auth", "rate_limited", "context", "refused", "unavailable", "not_installed"}
"""The errors of calls that the endpoint has refused before the model read anything: they have used nothing."""

Outcome = Usage.Outcome


class Call:
    """One call of a model, until its figures are known."""

    def __init__(self, row: Usage, named: Named, messages: Sequence[Mapping[str, Any]]) -> None:
        self.row = row
        self._url = named.backend.url
        self._messages = messages

    def end(self, outcome: str, tokens: Tokens | None, received: str) -> None:
        """Set how the call ended, and what it has used: as reported, or estimated from what was sent and received."""
        self.row.outcome = outcome
        if tokens is not None and tokens.total is not None:
            self._count(tokens, Usage.Source.EXACT)
            return
        known = tokens or Tokens()
        read = estimated_input(self._messages) if known.input is None else known.input
        written = estimated(received) if known.output is None else known.output
        self._count(known._replace(input=read, output=written), Usage.Source.ESTIMATED)

    def fail(self, code: str, received: str) -> None:
        """Set that the call has failed with an error code; without one, it ends as its answer does."""
        if code in NOT_TAKEN and not received:
            self.row.outcome = Outcome.FAILED
            self._count(Tokens(0, None, 0), Usage.Source.ESTIMATED)
        else:
            self.end(Outcome.FAILED if code else "", None, received)

    def following(self) -> dict[str, Any]:
        """Return the call that follows this one in the next step."""
        return following_call(self.row, self._url)

    def _count(self, tokens: Tokens, source: str) -> None:
        try:
            price = Prices(conf.prices).find(self.row.model, self._url)
            self.row.count(tokens, source, price)
        except Exception:  # of the library's, which must not end an answer
            logger.exception("The price of the model %s could not be found.", self.row.model)
            self.row.count(tokens, source, None)


def row_of(conversation: Conversation, answer_id: int, named: Named, **columns: Any) -> Usage:
    """Make the row of a call that begins now. ``columns`` are further ones."""
    return Usage(
        owner=conversation.owner,
        user_id=conversation.user_id,
        assistant=conversation.assistant,
        backend=named.alias,
        model=named.backend.model,
        message_id=answer_id,
        started_at=timezone.now(),
        **columns,
    )


def _outcome(ending: Ending | None) -> str:
    """Return how a call has ended whose answer, or whose part of it, ends so."""
    return ending.status if ending and ending.status in Outcome.values else Outcome.INTERRUPTED


class Ledger:
    """The calls of models of one run, and those that the database does not have yet."""

    def __init__(self, conversation: Conversation, answer_id: int, reserved: Sequence[Reserved] = ()) -> None:
        self.reserved = tuple(reserved)
        """What was taken from counters of limits for the calls of this step."""
        self._conversation = conversation
        self._answer_id = answer_id
        self._rows: list[Usage] = []
        self._attempts: dict[int, int] = {}
        self._last: Call | None = None

    def begin(self, named: Named, step: int, messages: Sequence[Mapping[str, Any]]) -> Call:
        """Enter a call of a model, which reads these messages, in a step of the answer."""
        attempt = self._attempts.get(step, 0)
        self._attempts[step] = attempt + 1
        row = row_of(self._conversation, self._answer_id, named, step=step, attempt=attempt)
        return Call(row, named, messages)

    def end(self, call: Call, ending: Ending, report: dict[str, Any] | None, received: str) -> None:
        """Enter the end of a call that the model has ended, or that has reached the length of an answer."""
        call.end(_outcome(ending), reported(report), received)
        self._keep(call)

    def fail(self, call: Call, code: str, received: str) -> None:
        """Enter the end of a call that has failed with an error code; without one, it ends as its answer does."""
        call.fail(code, received)
        self._keep(call)

    def _keep(self, call: Call) -> None:
        self._rows.append(call.row)
        self._last = call

    def following(self) -> dict[str, Any] | None:
        """Return the call that follows the last one, in the next step, as ``Message.calling`` has it."""
        return self._last.following() if self._last else None

    @property
    def settled(self) -> tuple[Reserved, ...]:
        """Return what is settled with the calls of this step; nothing as long as no model was called."""
        return self.reserved if self._rows else ()

    def unstored(self, ending: Ending | None = None) -> tuple[Usage, ...]:
        """Return the calls that the database does not have, of an answer that ends so."""
        for row in self._rows:
            row.outcome = row.outcome or _outcome(ending)
        return tuple(self._rows)

    def stored(self) -> None:
        """Forget the calls: the database has them, and has settled what was reserved for them."""
        if self._rows:
            self._rows.clear()
            self.reserved = ()
