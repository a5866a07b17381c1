"""System checks of the ``CHAT`` setting. Each message says what is wrong, what was expected and what was given."""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from django.apps import apps
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.core.management import get_commands
from django.db import router
from django.db.models import Model
from django.utils.functional import Promise

from .assistants import Assistant, Starter
from .assistants.about import models_of
from .assistants.discovery import backends_of, name_of, registry
from .assistants.tools import has_tools, wrong_tools
from .backends.loading import entry_of, make
from .conf import SETTINGS, conf
from .limits import COST, read_all
from .prices import Prices
from .streams.loading import make_streams
from .text import CONVERSATION_ID

WSGI_SERVERS = ("django.core", "django.contrib.staticfiles", "whitenoise.runserver_nostatic")
"""The apps whose ``runserver`` serves by WSGI, unless they wrap that of ``daphne``."""


@checks.register("llm_chat")
def check_settings(**_: Any) -> list[CheckMessage]:
    """Check the names and values of ``CHAT``, the backend and the streams that they describe, and the databases."""
    if not isinstance(conf.given, dict):
        return [Error(sentence, id="llm_chat.E001") for sentence in wrong_values()]
    wrong = [Error(sentence, id="llm_chat.E002") for sentence in wrong_values()]
    # The others need values of the right kind.
    parts = [] if wrong else [*_backend(), *_streams(), *_assistants(), *_limits()]
    missing = [] if wrong or any(found.is_serious() for found in parts) else _missing()
    return [*_unknown(), *wrong, *parts, *missing, *_databases(), *_servers()]


def errors() -> list[str]:
    """Return the messages of the checks that keep the site from starting, without those that the site silences."""
    return [str(found.msg) for found in check_settings() if found.is_serious() and not found.is_silenced()]


def wrong_values() -> list[str]:
    """Return a message for each value of the wrong kind. This is fast enough for every health check."""
    given = conf.given
    if not isinstance(given, dict):
        return [f"CHAT must be a dictionary, got a value of type {type(given).__name__}."]
    messages = [setting.complaint(given[name]) for name, setting in SETTINGS.items() if name in given]
    return [message for message in messages if message]


def _unknown() -> Iterator[CheckMessage]:
    for name in sorted(conf.given.keys() - SETTINGS.keys(), key=str):
        near = get_close_matches(str(name).upper(), SETTINGS, 1)
        hint = f'Did you mean "{near[0]}"?' if near else f"The settings are: {', '.join(sorted(SETTINGS))}."
        yield checks.Warning(f'CHAT["{name}"] is not a known setting. {hint}', id="llm_chat.W001")


def _backend() -> Iterator[CheckMessage]:
    try:
        make(entry_of("default"))
        _ = conf.system_prompt
    except ImproperlyConfigured as error:
        yield Error(str(error), id="llm_chat.E003")


def _limits() -> Iterator[CheckMessage]:
    """Check that each model has a price if costs are limited, and that addresses are known if theirs is limited."""
    limits, prices = read_all(conf.limits), Prices(conf.prices)
    if any(COST in found for found in limits.values()):
        for alias in conf.backends:
            try:
                model = make(entry_of(alias))
            except ImproperlyConfigured:
                continue  # reported where it is used
            if prices.find(model.model, model.url) is None:
                named = f'the model "{model.model}" of the backend "{alias}"'
                sentence = f'CHAT["LIMITS"] limits costs, but {named} has no price: give it one in CHAT["PRICES"].'
                yield Error(sentence, id="llm_chat.E012")
    if "address" in limits and not conf.gives("TRUSTED_PROXIES"):
        sentence = (
            'CHAT["LIMITS"] limits addresses, but behind a proxy all visitors have the same one: set '
            'CHAT["TRUSTED_PROXIES"] to the number of proxies in front of the site, or to 0.'
        )
        yield checks.Warning(sentence, id="llm_chat.W006")


def _missing() -> Iterator[CheckMessage]:
    """Check that nothing has to be installed before the models of the site's assistants can answer."""
    for alias in dict.fromkeys(alias for assistant in registry.offered for alias in backends_of(assistant)):
        if missing := make(entry_of(alias)).missing():
            sentence = f'The backend "{alias}" of CHAT["BACKENDS"] cannot answer yet: {missing}.'
            yield checks.Warning(sentence, id="llm_chat.W003")


def _servers() -> Iterator[CheckMessage]:
    """Check that the site has an ASGI server: the websocket, and so every answer, needs one."""
    if not conf.asgi_application:
        yield checks.Warning(
            "ASGI_APPLICATION is not set, so the site may be served by WSGI, which has no websockets: the chat cannot "
            'answer. Set it to the application in asgi.py, for example "mysite.asgi.application".',
            id="llm_chat.W004",
        )
    elif conf.debug and not apps.is_installed("daphne") and get_commands().get("runserver") in WSGI_SERVERS:
        yield checks.Warning(
            "manage.py runserver serves the site by WSGI, which has no websockets: the chat cannot answer there. Put "
            '"daphne" at the beginning of INSTALLED_APPS, or start an ASGI server such as uvicorn.',
            id="llm_chat.W005",
        )


def _assistants() -> Iterator[CheckMessage]:
    """Check the attributes of the site's assistants, that each has a name of its own, and that its backend is there."""
    names: dict[str, type[Assistant]] = {}
    for found in registry.defined:
        yield from (Error(f"{_path(found)}{sentence}", id="llm_chat.E007") for sentence in _wrong_attributes(found))
        yield from _about(found)
        if (other := names.setdefault(name_of(found), found)) is not found:
            sentence = f'{_path(other)} and {_path(found)} are both named "{name_of(found)}": give one another name.'
            yield Error(sentence, id="llm_chat.E008")
        yield from _backends(found)
        yield from (Error(sentence, id="llm_chat.E011") for sentence in wrong_tools(found))


def _backends(assistant: type[Assistant]) -> Iterator[CheckMessage]:
    """Check that the backends are there, and that their models can call the tools."""
    given: Any = assistant.backend
    aliases = [given] if isinstance(given, str) else given
    if not isinstance(aliases, list | tuple) or not aliases or not set(map(str, aliases)) <= conf.backends.keys():
        there = ", ".join(f'"{name}"' for name in conf.backends)
        sentence = f'.backend must be an entry of CHAT["BACKENDS"] ({there}) or a list of them, got {given!r}.'
        yield Error(f"{_path(assistant)}{sentence}", id="llm_chat.E009")
        return
    for alias in aliases:
        try:
            model = make(entry_of(alias))
        except ImproperlyConfigured as error:
            yield Error(f"{_path(assistant)}.backend: {error}", id="llm_chat.E009")
            continue
        if has_tools(assistant) and not model.tools:
            sentence = f'{_path(assistant)} has tools, but the model of its backend "{alias}" cannot call any.'
            yield checks.Warning(sentence, id="llm_chat.W002")


def _about(assistant: type[Assistant]) -> Iterator[CheckMessage]:
    try:
        models: list[Any] = list(models_of(assistant))
    except (LookupError, ValueError) as error:
        yield Error(f"{_path(assistant)}.about must name models of this site: {error}", id="llm_chat.E010")
        return
    for model in models:
        if not isinstance(model, type) or not issubclass(model, Model):
            sentence = f"{_path(assistant)}.about must be a model or a list of models, got {model!r}."
            yield Error(sentence, id="llm_chat.E010")


def _path(assistant: type[Assistant]) -> str:
    return f"{assistant.__module__}.{assistant.__qualname__}"


def _wrong_attributes(assistant: type[Assistant]) -> Iterator[str]:
    instructions: Any = assistant.instructions
    starters: Any = assistant.starters
    if not re.fullmatch(CONVERSATION_ID, name_of(assistant)):
        yield f".name must be 1 to 64 letters, digits, hyphens and underscores, got {name_of(assistant)!r}."
    if not isinstance(instructions, str | Promise):
        yield f".instructions must be a string, got a value of type {type(instructions).__name__}."
    if type(assistant.max_steps) is not int or assistant.max_steps < 1:
        yield f".max_steps must be a positive integer, got {assistant.max_steps!r}."
    if not isinstance(starters, list | tuple) or not all(isinstance(starter, Starter) for starter in starters):
        yield f".starters must be a list of Starter, got {starters!r}."


def _streams() -> Iterator[CheckMessage]:
    try:
        make_streams()
    except ImproperlyConfigured as error:
        yield Error(str(error), id="llm_chat.E004")


def _databases() -> Iterator[CheckMessage]:
    """Check that one database has all of the app's tables, and also the users if ``USER_CONSTRAINT`` is set."""
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
