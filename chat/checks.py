"""System checks of the ``CHAT`` setting: what is wrong is said by ``manage.py check``, with what was expected."""

from collections.abc import Iterator
from numbers import Real
from typing import Any

from django.apps import apps
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.db import router

from .backends.loading import make
from .conf import DEFAULTS, conf
from .streams.loading import make_streams

_POSITIVE = {name for name, value in DEFAULTS.items() if type(value) in (int, float)} - {"RETRIES"}


@checks.register("llm_chat")
def check_settings(**_: Any) -> list[CheckMessage]:
    """``CHAT`` is a dictionary of known names with values of the right type, and its backend and logs can be made."""
    if not isinstance(conf.given, dict):
        return [Error(f"CHAT must be a dictionary, got {conf.given!r}.", id="llm_chat.E001")]
    return [*_unknown(), *_wrong(), *_backend(), *_streams(), *_databases()]


def _unknown() -> Iterator[CheckMessage]:
    for name in sorted(conf.given.keys() - DEFAULTS.keys()):
        known = ", ".join(sorted(DEFAULTS))
        yield checks.Warning(
            f'CHAT["{name}"] is no setting of the chat. The settings are: {known}.', id="llm_chat.W001"
        )


def _wrong() -> Iterator[CheckMessage]:
    for name, value in conf.given.items():
        if name in _POSITIVE and not (_is_number(value) and value > 0):
            yield Error(f'CHAT["{name}"] must be a number above 0, got {value!r}.', id="llm_chat.E002")
        elif name == "RETRIES" and not (isinstance(value, int) and value >= 0):
            yield Error(f'CHAT["RETRIES"] must be a whole number from 0 on, got {value!r}.', id="llm_chat.E002")
        elif name == "SOCKET_PATH" and not (isinstance(value, str) and value.startswith("/")):
            yield Error(f'CHAT["SOCKET_PATH"] must be a path that begins with "/", got {value!r}.', id="llm_chat.E002")
        elif name in ("REDIS_URL", "REDIS_PREFIX") and not isinstance(value, str):
            yield Error(f'CHAT["{name}"] must be a text, got {value!r}.', id="llm_chat.E002")
        elif name == "USER_CONSTRAINT" and not isinstance(value, bool):
            yield Error(f'CHAT["USER_CONSTRAINT"] must be True or False, got {value!r}.', id="llm_chat.E002")
        elif name == "TITLES" and value not in ("question", "model"):
            yield Error(f'CHAT["TITLES"] must be "question" or "model", got {value!r}.', id="llm_chat.E002")
        elif name == "SYSTEM_PROMPT" and not (isinstance(value, str) or callable(value)):
            yield Error(f'CHAT["SYSTEM_PROMPT"] must be a text or a callable, got {value!r}.', id="llm_chat.E002")


def _backend() -> Iterator[CheckMessage]:
    try:
        make(conf.backend())
        _ = conf.system_prompt
    except (ImproperlyConfigured, ImportError) as error:
        yield Error(str(error), id="llm_chat.E003")


def _streams() -> Iterator[CheckMessage]:
    if not isinstance(conf.given.get("REDIS_URL", ""), str):
        return  # said already
    try:
        make_streams()
    except ImproperlyConfigured as error:
        yield Error(str(error), id="llm_chat.E004")


def _databases() -> Iterator[CheckMessage]:
    """One database for all of the app's tables, and the users in it unless the site says otherwise."""
    models = list(apps.get_app_config("llm_chat").get_models())
    found = {router.db_for_write(model) for model in models}
    if len(found) > 1:
        names = ", ".join(sorted(found))
        yield Error(f"DATABASE_ROUTERS must keep the chat's tables in one database, got {names}.", id="llm_chat.E005")
    users = router.db_for_write(apps.get_model(conf.user_model))
    if conf.user_constraint and users not in found:
        yield Error(
            f'CHAT["USER_CONSTRAINT"] must be False where a router keeps users ("{users}") and conversations '
            f"({', '.join(sorted(found))}) in different databases. Set it before the first migrate.",
            id="llm_chat.E006",
        )


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
