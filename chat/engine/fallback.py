"""The backends of an assistant, in turn: the next one where one fails before it has said anything."""

from collections.abc import Sequence

from ..assistants import Assistant
from ..assistants.tools import has_tools
from ..backends.loading import Named
from ..conf import conf
from ..db.known_turns import hand_over
from ..db.threads import in_database
from ..db.values import Turn, Writer

CODES = {"auth", "rate_limited", "upstream", "timeout", "unavailable", "not_installed"}
"""The errors after which another model may answer; it would refuse what another has refused, or what is too long."""


def writer_of(process: str, assistant: type[Assistant], named: Named) -> Writer:
    """Return the writer of an answer, with the limits of a backend's model."""
    alias, backend = named
    budget = min(conf.max_history_length, backend.max_history_length or conf.max_history_length)
    tools = alias if backend.tools and has_tools(assistant) else None
    return Writer(process, backend.model, budget, backend.prefills, backend=alias, url=backend.url, tools=tools)


class Fallback:
    """The backend of one run, and those that may take its place."""

    def __init__(self, backends: Sequence[Named], process: str, assistant: type[Assistant], turn: Turn) -> None:
        self.history = turn.history
        """What the model of the backend that answers now reads of the conversation."""
        self.returns = turn.returns
        """The JSON schema of the answer, if it is to be a value."""
        self._turn = turn
        self._backends = list(backends)
        self._process = process
        self._assistant = assistant

    @property
    def current(self) -> Named:
        """Return the backend that answers now."""
        return self._backends[0]

    def may_follow(self, code: str) -> bool:
        """Tell whether another backend may answer after this error."""
        return len(self._backends) > 1 and code in CODES

    async def go_on(self) -> None:
        """Go on to the next backend, with the history for its model. Raises ``django.db.Error``."""
        del self._backends[0]
        writer = writer_of(self._process, self._assistant, self.current)
        self.history = await in_database(hand_over, self._turn, writer)
