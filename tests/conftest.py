"""Where the tests run: a database file of their own, the Chromium of ``make test``, a model that a test plays."""

import contextlib
import itertools
import os
import shutil

import hypothesis
import pytest
from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.db import SessionStore
from django.db import connections
from django.test import override_settings
from django.utils import translation

from chat.backends.scripted import Script
from chat.owners import VISITOR
from tests.faults import services
from tests.support.sockets import Socket

pytest_plugins = ["tests.support.leftovers"]

# On a busy machine an example may take longer than 0.2 s, once and not again: that says nothing about the code.
hypothesis.settings.register_profile("busy", deadline=None)
hypothesis.settings.load_profile("busy")

_names = itertools.count()


@pytest.fixture(autouse=True)
def own_language():
    """A request to the test client leaves its language active in the test's thread."""
    yield
    translation.deactivate()


@pytest.fixture(scope="session", autouse=True)
def quick_passwords():
    """Hash passwords cheaply: Django's own hasher takes 0.4 s for each, so that nobody can try many."""
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix, tmp_path_factory):
    """SQLite as a file: the app's threads share it as they do on a real site, which they cannot in memory."""
    connection = connections["default"]
    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")
        options = connection.settings_dict["OPTIONS"]
        options["init_command"] += "PRAGMA synchronous = OFF;"  # a power cut may have what a test wrote


@pytest.fixture(scope="session")
def chromium():
    """The path of the system's Chromium; ``None`` where Playwright has downloaded its own."""
    names = ("chromium-headless-shell", "chromium", "google-chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args, chromium):
    arguments = {**browser_type_launch_args, "args": ["--no-sandbox"] if os.geteuid() == 0 else []}
    return {**arguments, "executable_path": chromium} if chromium else arguments


def chat_settings(**changes):
    """A ``CHAT`` setting for tests: the times of a real site, about a twentieth of them."""
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
        **changes,
    }


@pytest.fixture
def script(settings):
    """The model, played by the test."""
    name = f"script-{next(_names)}"
    backend = {"BACKEND": "chat.backends.scripted.ScriptedBackend", "OPTIONS": {"script": name}}
    settings.CHAT = chat_settings(BACKENDS={"default": backend})
    return Script(name)


@pytest.fixture
async def served(transactional_db):
    """The process's registry on this test's event loop, drained at the end as a server does."""
    from chat.endings import INTERRUPTED
    from chat.engine.engine import engine

    yield engine()
    for run in list(engine().runs.values()):  # whose models a test has left in mid-answer: nothing to wait for
        run.end(INTERRUPTED)
    await engine().drain()
    await sync_to_async(connections.close_all)()  # those of the test's own queries


@pytest.fixture
async def connect(served):
    """Open a socket as a visitor; ``connect("ann")`` twice gives two sockets of one visitor."""
    async with contextlib.AsyncExitStack() as stack:

        async def connect(visitor: str = "somebody", query: str = "") -> Socket:
            store = SessionStore()
            store[VISITOR] = visitor
            await sync_to_async(store.save)()
            return await stack.enter_async_context(Socket.opened(store.session_key, query=query))

        yield connect


@pytest.fixture(scope="session")
def redis_of_the_run():
    """A real Redis, started when the first test needs it."""
    with services.redis_server() as server:
        yield server


@pytest.fixture
def redis_server(redis_of_the_run):
    """A Redis that is empty and well, before each test and after it."""
    redis_of_the_run.mend()
    yield redis_of_the_run
    redis_of_the_run.mend()
