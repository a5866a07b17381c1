"""Writes what an answer must not lose, however long the database does not respond."""

import asyncio
import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from django.db import Error as DatabaseError

from ..chunks import SAVING
from ..conf import conf
from ..db.threads import in_database
from ..streams.base import Stream

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

LONGEST_PAUSE = 5.0
"""The longest wait between two attempts to write to the database, in seconds."""


class Saving:
    """The database steps of one answer, each tried again and again; its readers are told that they wait for it."""

    def __init__(self, answer_id: int, stream: Stream) -> None:
        self._answer_id = answer_id
        self._stream = stream

    async def until_stored(self, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a database step. Raises ``django.db.Error`` if it still fails after ``CHAT["SAVE_TIMEOUT"]``."""
        now = asyncio.get_running_loop().time
        wait, deadline, announced = conf.retry_wait, now() + conf.save_timeout, False
        while True:
            try:
                return await in_database(step, *args, **kwargs)
            except DatabaseError:
                logger.exception("The answer %s could not be written.", self._answer_id)
                if now() + wait > deadline:
                    raise
            if not announced:
                announced = True
                self._stream.append(SAVING)
            await asyncio.sleep(wait)
            wait = min(2 * wait, LONGEST_PAUSE)
