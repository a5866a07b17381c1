"""The times at which one answer gives up: for its next delta, and as a whole."""

import asyncio

from ..conf import conf

NEVER = float("inf")


class Deadlines:
    """The deadlines of one run, in the time of its event loop."""

    def __init__(self) -> None:
        self._now = asyncio.get_running_loop().time
        self.began = self._now()
        """When the run was made, in the time of its event loop."""
        self.spoke: float | None = None
        """When its first delta arrived; ``None`` before."""
        self._next = self._final = NEVER
        self._delta_timeout = conf.first_token_timeout
        """How long the next delta may take, in seconds."""
        self._overdue = False
        """Whether the last tick came after the deadline of the next delta."""

    @property
    def now(self) -> float:
        """Return the time of the event loop."""
        return self._now()

    def begin(self) -> None:
        """Begin the time that the whole answer may take."""
        self._final = self._now() + conf.max_duration
        self.call()

    def call(self) -> None:
        """Begin the wait for the first delta of a call of the model."""
        self._delta_timeout = conf.first_token_timeout
        self._next = self._now() + self._delta_timeout

    def rest(self) -> None:
        """Expect no delta, because no model is being called."""
        self._next = NEVER

    def prolong(self) -> None:
        """Restart the wait, because the model's endpoint has shown that it is alive."""
        self._next = max(self._next, self._now() + self._delta_timeout)

    def load(self, *, loading: bool) -> None:
        """Wait for the model to be loaded, or for its first delta after that. Loading does not count as answering."""
        wait = conf.loading_timeout if loading else self._delta_timeout
        self._next = self._now() + wait
        self._final = self._next + conf.max_duration

    def speak(self) -> None:
        """Expect the following deltas, of which the first has arrived, within a time of their own."""
        self.spoke = self.spoke or self._now()
        self._delta_timeout = conf.delta_timeout

    def restart(self) -> None:
        """Restart the wait after a delta."""
        self._next = self._now() + self._delta_timeout

    def is_final(self, now: float) -> bool:
        """Tell whether the whole answer has taken too long."""
        return now > self._final

    def is_overdue(self, now: float, *, resting: bool) -> bool:
        """Tell whether the next delta takes too long. Ask once a tick.

        A run that was ``resting``, waiting for this tick, may have deltas to read: it gets one tick more.
        """
        before, self._overdue = self._overdue, now > self._next
        return self._overdue and (before or not resting)
