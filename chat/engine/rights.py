"""Closes sockets whose visitors have lost the right to them, in this process.

A signal of Django's says at once that a browser has signed in or out, or that a user may have lost rights; it reaches
all processes as an event. What no signal tells is found with each heartbeat, by one query for all sockets together.
That query says only that something has changed. Whether the visitor is still the same one, and may still use the
assistants, is then asked of Django and of the site, as at a handshake and at a message.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Coroutine, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from ..assistants.about import read
from ..conf import conf
from ..db.rights import Found, look, subjects_of
from ..db.threads import in_database
from ..db.values import Subject
from ..errors import Refusal
from ..events import BROWSER, Event
from ..identity import has_user, identify
from ..owners import Owner
from .admission import admitted

logger = logging.getLogger(__name__)

MEMORY = 60.0
"""How long the cookie of a session that has ended is turned away, in seconds: until its browser has got another."""

PAUSE = 0.1
"""Between two looks, in seconds: many events in a row need few of them."""

CHECKS = 4
"""How many visitors are checked at once, so that the database's threads are left to their questions and stops."""

MAX_USED = 20
"""How many conversations of a socket are remembered."""

ENDED, RENEWED, FORBIDDEN = "session-ended", "session-renewed", "forbidden"
"""How sockets end: there is no session any more; it has become another one, or another user's, and a new handshake
will tell; its visitor may no longer use an assistant."""

Spawn = Callable[[Coroutine[Any, Any, Any]], asyncio.Task[Any]]


@dataclass(eq=False, slots=True)
class Admission:
    """What a socket was admitted for."""

    owner: Owner
    session: str | None
    """The key of its session; ``None`` if the site knows its user otherwise."""
    fingerprint: bytes | None
    """The rights of its user, when they were last found to be enough."""
    names: Collection[str]
    """The names of its session and its browser in events (``events.session_names``)."""
    used: dict[str, tuple[str, str]] = field(default_factory=dict)
    """The conversations that it has named, the last ones: their assistants and objects, as the client names them."""
    is_checked: bool = False

    def is_doubtful(self, found: Found) -> bool:
        """Tell whether its session has ended, or its user has changed, since it was admitted or last checked."""
        now = found.users.get(self.owner.user_id)
        if self.fingerprint == b"" and self.session is None and now is None:
            self.fingerprint = None  # a user of the site's own that is in no table
        return (self.session is not None and self.session not in found.sessions) or self.fingerprint != now

    def use(self, uid: str, assistant: str, about: str) -> None:
        """Remember that the socket has named a conversation."""
        self.used.pop(uid, None)
        self.used[uid] = (assistant, about)
        if len(self.used) > MAX_USED:
            del self.used[next(iter(self.used))]


class Rights:
    """The admitted sockets of one process.

    ``spawn`` starts a task that serves sockets.
    """

    def __init__(self, spawn: Spawn) -> None:
        self._spawn = spawn
        self._admissions: dict[Admission, Callable[[str], None]] = {}
        """How to end the sockets, for one of the reasons above, by what they were admitted for."""
        self._ended: dict[str, tuple[float, str, str]] = {}
        """Sessions that have ended a moment ago, by name: until when that is known, how, and the new owner's key."""
        self._checks = asyncio.Semaphore(CHECKS)
        self._wanted = asyncio.Event()
        self._failing = False

    @contextmanager
    def admit(self, admission: Admission, end: Callable[[str], None]) -> Iterator[None]:
        """Watch over a socket inside the ``with`` block. ``end`` ends it, for one of the reasons above."""
        self._admissions[admission] = end
        try:
            yield
        finally:
            del self._admissions[admission]

    def ended(self, name: str, owner: Owner | None) -> str:
        """Return how a session has ended a moment ago, ``""`` if it has not. Its cookie may still be in the browser.

        Whoever signs in again as the same ``owner`` keeps the session.
        """
        until, how, to = self._ended.get(name, (0.0, "", ""))
        is_kept = until < time.monotonic() or (owner is not None and owner.key == to)
        return "" if is_kept else how

    async def look_forever(self) -> None:
        """Look at all sockets with each heartbeat, and as soon as an event says so, until cancelled."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(conf.heartbeat):
                    await self._wanted.wait()
            self._wanted.clear()
            try:
                await self.look()
                self._failing = False
            except Exception:  # of the database, of the cache with the sessions, or of the site's user model
                if not self._failing:
                    logger.exception("The rights of those who have sockets open could not be looked at.")
                self._failing = True
            await asyncio.sleep(PAUSE)

    async def look(self) -> None:
        """Find the sockets whose session has ended or whose user has changed, and have them checked.

        Raises ``django.db.Error``, and what the cache raises that holds the sessions.
        """
        now = time.monotonic()
        self._ended = {name: ended for name, ended in self._ended.items() if ended[0] > now}
        admissions = list(self._admissions)
        users = {each.owner.user_id for each in admissions if each.owner.user_id is not None}
        sessions = {each.session for each in admissions if each.session}
        if not users and not sessions:
            return
        found = await in_database(look, users, sessions)
        doubtful: defaultdict[str, list[Admission]] = defaultdict(list)
        for each in admissions:
            if each in self._admissions and not each.is_checked and each.is_doubtful(found):
                doubtful[each.owner.key].append(each)
        for group in doubtful.values():
            self._spawn(self._check(group, found.users.get(group[0].owner.user_id)))

    def take(self, event: Event) -> None:
        """Act on an event: close the sockets of a session, or look at the rights of all without delay."""
        if event.event == "rights-changed":
            self._wanted.set()
            return
        if not event.id.startswith(BROWSER):  # the browser's next session is another one
            self._ended[event.id] = (time.monotonic() + MEMORY, event.event, event.to)
        for each, end in list(self._admissions.items()):
            if event.id in each.names and each.owner.key != event.to:
                end(event.event)

    async def _check(self, group: list[Admission], fingerprint: bytes | None) -> None:
        """Check sockets of one owner, whose user has this fingerprint now.

        One whose rights cannot be found out is looked at again with the next heartbeat.
        """
        for each in group:
            each.is_checked = True
        try:
            async with self._checks:
                left = await in_database(_left, group)
            asked: dict[Subject, bool] = {}
            for each in group:
                how = RENEWED if each not in left else ""
                if not how and fingerprint != each.fingerprint and not await _may_use(each, asked):
                    how = FORBIDDEN
                if not how:
                    each.fingerprint = fingerprint
                elif each in self._admissions:  # it may have left meanwhile
                    self._admissions[each](how)
        except Exception:  # of the database, or of the site's authentication backends
            logger.exception("The rights of a visitor could not be checked.")
        finally:
            for each in group:
                each.is_checked = False


def _left(group: Iterable[Admission]) -> set[Admission]:
    """Return those of an owner's sockets whose session, or user, is still what it was. This is a database step."""
    owners: dict[str | None, bool] = {}
    for each in group:
        if each.session not in owners:
            owners[each.session] = _is_owner(each)
    return {each for each in group if owners[each.session]}


def _is_owner(admission: Admission) -> bool:
    if admission.session is None:
        return has_user(admission.owner.user_id)
    owner = identify(admission.session).owner
    return owner is not None and owner.key == admission.owner.key


async def _may_use(admission: Admission, asked: dict[Subject, bool]) -> bool:
    """Ask the assistants that a socket uses whether they permit it. ``asked`` has what they have answered before.

    Raises ``Refusal`` if one does not answer in time, and ``django.db.Error``.
    """
    used = dict(admission.used)
    stored = await in_database(subjects_of, admission.owner, list(used))
    for uid, (assistant, about) in used.items():
        subject = stored.get(uid) or _named(admission.owner, assistant, about)
        if subject is not None and subject not in asked:
            asked[subject] = await _permits(admission.owner, subject)
        if subject is not None and not asked[subject]:
            return False
    return True


def _named(owner: Owner, assistant: str, about: str) -> Subject | None:
    try:
        return read(about, assistant, owner.digest, owner.former_digest)
    except Refusal:
        return None


async def _permits(owner: Owner, subject: Subject) -> bool:
    try:
        await admitted(owner, subject, "")
    except Refusal as refusal:
        if refusal.code != FORBIDDEN:
            raise
        return False
    return True
