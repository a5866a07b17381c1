"""Makes the assistant of a turn, if its visitor may use it."""

import asyncio
import logging

from ..assistants import Assistant
from ..assistants.about import find
from ..assistants.discovery import registry
from ..assistants.hooks import ADMISSION_WAIT, has_permission, in_thread
from ..db.values import Subject
from ..errors import Refusal
from ..owners import Owner

logger = logging.getLogger(__name__)


async def admitted(owner: Owner, subject: Subject, language: str) -> Assistant:
    """Make the assistant of a turn. Raises ``Refusal`` if it or the object is gone, or not for this visitor."""
    try:
        async with asyncio.timeout(ADMISSION_WAIT):
            return await _admitted(owner, subject, language)
    except TimeoutError:
        logger.warning("The permission of a visitor could not be checked in %g s.", ADMISSION_WAIT)
        raise Refusal("storage") from None


async def _admitted(owner: Owner, subject: Subject, language: str) -> Assistant:
    found = registry.get(subject.assistant)
    about = None
    if found is not None and subject.about_key:
        about = await in_thread(find, found, subject)
    if found is None or (about is None and subject.about_key):
        raise Refusal("forbidden")
    assistant = found(user_id=owner.user_id, language=language, about=about)
    if not await has_permission(assistant):
        raise Refusal("forbidden")
    return assistant
