"""Shared fixtures: a database file, the Chromium of ``make test``, and a model that the test plays."""

import contextlib
import itertools
import os
import shutil
from typing import Any

import hypothesis
import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.db import connections
from django.test import override_settings
from django.utils import translation

from chat.backends.scripted import Script
from chat.owners import VISITOR
from tests.faults import services
from tests.support.proxy import Proxy
from tests.support.sockets import Socket

pytest_plugins = ["tests.support.leftovers"]

# On a busy machine an example may exceed 0.2 s once and not again, which says nothing about the code.
hypothesis.settings.register_profile("busy", deadline=None)
hypothesis.settings.load_profile("busy")

_names = itertools.count()


@pytest.fixture(autouse=True)
def own_language():
    """Deactivate the language that a request of the test client leaves active in the test's thread."""
    yield
    translation.deactivate()


@pytest.fixture(scope="session", autouse=True)
def quick_passwords():
    """Hash passwords cheaply: Django's default hasher takes 0.4 s each, to slow down guessing."""
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix, tmp_path_factory):
    """Use a file for SQLite, because the app's threads share one on a real site and cannot share one in memory."""
    connection = connections["default"]
    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")
        options = connection.settings_dict["OPTIONS"]
        options["init_command"] += "PRAGMA synchronous = OFF;"  # test data need not survive a power cut


@pytest.fixture(scope="session")
def chromium():
    """Return the path of the system's Chromium, or ``None`` if Playwright has downloaded its own."""
    names = ("chromium-headless-shell", "chromium", "google-chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args, chromium):
    arguments = {**browser_type_launch_args, "args": ["--no-sandbox"] if os.geteuid() == 0 else []}
    return {**arguments, "executable_path": chromium} if chromium else arguments


def chat_settings(**changes):
    """Return a ``CHAT`` setting for tests, with about a twentieth of a real site's times."""
    return {
        "BACKENDS": {"default": {"BACKEND": "chat.backends.scripted.ScriptedBackend", "OPTIONS": {}}},
        "TICK": 0.002,
        "HEARTBEAT": 0.1,
        "FIRST_TOKEN_TIMEOUT": 5.0,
        "DELTA_TIMEOUT": 5.0,
        "RETRY_WAIT": 0.01,
        "GRACE_PERIOD": 0.5,
        "PROCESS_TIMEOUT": 1.5,
        "SAVE_TIMEOUT": 0.2,
        "UNDO_PERIOD": 0.5,
        **changes,
    }


@pytest.fixture
def script(settings):
    """Provide the model, played by the test."""
    name = f"script-{next(_names)}"
    backend = {"BACKEND": "chat.backends.scripted.ScriptedBackend", "OPTIONS": {"script": name}}
    settings.CHAT = chat_settings(BACKENDS={"default": backend})
    return Script(name)


@pytest.fixture
async def served(transactional_db):
    """Run the process's engine on this test's event loop, and drain it at the end like a server does."""
    from chat.endings import INTERRUPTED
    from chat.engine.engine import engine

    yield engine()
    for run in list(engine().runs.values()):  # models that a test has left mid-answer will not finish
        run.end(INTERRUPTED)
    await engine().drain()
    await sync_to_async(connections.close_all)()  # those of the test's own queries


@pytest.fixture
async def connect(served):
    """Open a socket as a visitor; calling ``connect("ann")`` twice opens two sockets of one visitor.

    With a ``user``, the visitor has signed in.
    """
    async with contextlib.AsyncExitStack() as stack:

        async def connect(visitor: str = "somebody", query: str = "", user: Any = None, forwarded: str = "") -> Socket:
            store = SessionStore()
            store[VISITOR] = visitor
            if user is not None:
                store[SESSION_KEY], store[HASH_SESSION_KEY] = str(user.pk), user.get_session_auth_hash()
                store[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
            await sync_to_async(store.save)()
            return await stack.enter_async_context(Socket.opened(store.session_key, query=query, forwarded=forwarded))

        yield connect


@pytest.fixture
def proxy(site):
    """Provide a network that a test can hold or cut, between a client and the site that the test's folder runs."""
    proxy = Proxy(site.port)
    yield proxy
    proxy.close()


@pytest.fixture(scope="session")
def redis_of_the_run():
    """Provide a real Redis, started when the first test needs it."""
    with services.redis_server() as server:
        yield server


@pytest.fixture
def redis_server(redis_of_the_run):
    """Provide an empty, healthy Redis, and mend it before and after each test."""
    redis_of_the_run.mend()
    yield redis_of_the_run
    redis_of_the_run.mend()
