"""What ``manage.py check`` says of the ``CHAT`` setting."""

import pytest

from chat.checks import check_settings
from chat.conf import DEFAULTS
from tests.conftest import chat_settings


def ids(settings, **changes):
    settings.CHAT = chat_settings(**changes)
    return [message.id for message in check_settings()]


def test_the_defaults_and_the_settings_of_our_tests_are_right(settings):
    assert ids(settings) == []
    assert ids(settings, **{name: value for name, value in DEFAULTS.items() if name != "BACKENDS"}) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_DURATION", 0),
        ("TICK", -1),
        ("HEARTBEAT", "2"),
        ("DATABASE_THREADS", None),
        ("RETRIES", -1),
        ("RETRIES", 0.5),
        ("MAX_MESSAGE_LENGTH", True),
        ("SOCKET_PATH", "ws/"),
        ("SYSTEM_PROMPT", 7),
        ("TITLES", "none"),
        ("TITLES", ["model"]),
        ("USER_CONSTRAINT", "no"),
    ],
)
def test_a_value_of_the_wrong_kind_is_an_error(settings, name, value):
    assert ids(settings, **{name: value}) == ["llm_chat.E002"]


def test_a_name_that_is_no_setting_is_a_warning(settings):
    assert ids(settings, MAX_DURATON=3) == ["llm_chat.W001"]


@pytest.mark.parametrize(
    "backends",
    [
        {},
        {"default": {}},
        {"default": {"BACKEND": "no.such.Backend"}},
        {"default": {"BACKEND": "chat.chunks.Chunk"}},
        {"default": {"BACKEND": "chat.backends.scripted.ScriptedBackend", "OPTIONS": {"no": "such"}}},
    ],
)
def test_a_backend_that_cannot_be_made_is_an_error(settings, backends):
    assert ids(settings, BACKENDS=backends) == ["llm_chat.E003"]


def test_a_path_with_the_packages_other_name_is_an_error_with_the_right_one(settings):
    path = "backends.scripted.ScriptedBackend"
    settings.CHAT = chat_settings(BACKENDS={"default": {"BACKEND": f"llm_chat.{path}"}})
    (message,) = check_settings()
    assert message.id == "llm_chat.E003"
    assert message.msg == (
        f'The backend "llm_chat.{path}" cannot be imported: '
        f'in a checkout the package is "chat", so write "chat.{path}".'
    )
    settings.CHAT = chat_settings(SYSTEM_PROMPT="llm_chat.text.storable")
    (message,) = check_settings()
    assert message.msg == (
        'CHAT["SYSTEM_PROMPT"] "llm_chat.text.storable" cannot be imported: '
        'in a checkout the package is "chat", so write "chat.text.storable".'
    )


def test_a_prompt_that_cannot_be_imported_is_an_error(settings):
    assert ids(settings, SYSTEM_PROMPT="no.such.prompt") == ["llm_chat.E003"]


def test_a_setting_that_is_no_dictionary_is_an_error(settings):
    settings.CHAT = ["BACKENDS"]
    assert [message.id for message in check_settings()] == ["llm_chat.E001"]


class Split:
    """Keeps messages apart from the other tables of the chat."""

    def db_for_write(self, model, **hints):
        return "elsewhere" if model._meta.model_name == "message" else None


def test_b38_tables_of_the_chat_in_two_databases_are_an_error(settings):
    settings.DATABASE_ROUTERS = [Split()]
    assert ids(settings) == ["llm_chat.E005"]


class Apart:
    """Keeps all of the chat apart from the users."""

    def db_for_write(self, model, **hints):
        return "elsewhere" if model._meta.app_label == "llm_chat" else None


def test_b38_a_constraint_between_two_databases_is_an_error(settings):
    settings.DATABASE_ROUTERS = [Apart()]
    assert ids(settings) == ["llm_chat.E006"]
    assert ids(settings, USER_CONSTRAINT=False) == []
