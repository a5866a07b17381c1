"""The rows of the ``CHAT`` setting."""

from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured

from chat.conf import SETTINGS, Conf, conf

CHANGED = {
    "BACKENDS": {"other": {}},
    "TITLES": "model",
    "SHOW_MODEL": False,
    "USER_CONSTRAINT": False,
    "MERGE_AT_LOGIN": False,
    "METRICS": True,
    "GC_TUNING": False,
    "RETENTION": {"user": timedelta(days=1)},
    "PRICES": {"currency": "EUR"},
    "LIMITS": {"site": {"cost": "1/day"}},
    "MAX_NEW_VISITORS_PER_ADDRESS": "5/minute",
}


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_an_attribute_that_follows_the_site(settings, name):
    default = SETTINGS[name].default
    settings.CHAT = {}
    assert getattr(conf, name.lower()) == default
    changed = CHANGED.get(name, default + 1 if isinstance(default, int | float) else "/changed/")
    settings.CHAT = {name: changed}
    assert getattr(conf, name.lower()) == changed


@pytest.mark.parametrize("name", SETTINGS)
def test_every_default_is_accepted_by_its_own_kind(name):
    assert SETTINGS[name].complaint(SETTINGS[name].default) == ""


def test_a_number_has_the_type_of_its_setting(settings):
    settings.CHAT = {"TICK": 1, "MAX_MESSAGE_LENGTH": 1e4}
    assert (type(conf.tick), type(conf.max_message_length)) == (float, int)


def test_a_value_that_cannot_be_read_is_an_error_that_names_the_setting(settings):
    settings.CHAT = {"TICK": "often"}
    with pytest.raises(
        ImproperlyConfigured, match=r"^CHAT\[\"TICK\"\] must be a positive number of seconds, got 'often'\.$"
    ):
        _ = conf.tick


def test_a_setting_that_is_not_a_dictionary_does_not_break_an_import(settings):
    settings.CHAT = ["TICK"]
    assert conf.tick == Conf.tick.default


def test_a_setting_cannot_be_assigned():
    with pytest.raises(AttributeError):
        conf.tick = 1.0


def shout(conversation):
    return "Shout."


def test_a_prompt_is_a_string_a_callable_or_its_dotted_path(settings):
    for prompt in ("You are kind.", "Be brief", "e.g. brief"):
        settings.CHAT = {"SYSTEM_PROMPT": prompt}
        assert conf.system_prompt == prompt
    settings.CHAT = {"SYSTEM_PROMPT": shout}
    assert conf.system_prompt is shout
    settings.CHAT = {"SYSTEM_PROMPT": "tests.test_conf.shout"}
    assert conf.system_prompt(None) == "Shout."
