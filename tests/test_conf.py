"""The typed view of ``CHAT``."""

import pytest

from chat.conf import DEFAULTS, conf


@pytest.mark.parametrize("name", sorted(DEFAULTS.keys() - {"BACKENDS"}))
def test_every_setting_has_a_property_that_follows_the_site(settings, name):
    default = DEFAULTS[name]
    settings.CHAT = {}
    assert getattr(conf, name.lower()) == default
    changed = default + 1 if isinstance(default, int | float) else "/changed/"
    settings.CHAT = {name: changed}
    assert getattr(conf, name.lower()) == changed


def shout(conversation):
    return "Shout."


def test_a_prompt_is_a_text_a_callable_or_the_path_of_one(settings):
    for prompt in ("You are kind.", "Be brief", "e.g. brief"):
        settings.CHAT = {"SYSTEM_PROMPT": prompt}
        assert conf.system_prompt == prompt
    settings.CHAT = {"SYSTEM_PROMPT": shout}
    assert conf.system_prompt is shout
    settings.CHAT = {"SYSTEM_PROMPT": "tests.test_conf.shout"}
    assert conf.system_prompt(None) == "Shout."
