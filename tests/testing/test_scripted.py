"""The scripted model in the place of a site's own."""

from chat.conf import conf
from chat.testing import scripted_model

REAL = {"BACKEND": "chat.backends.openai.OpenAIBackend", "OPTIONS": {"model": "m"}}


def test_every_model_of_the_site_is_played_and_its_other_settings_stay(settings):
    settings.CHAT = {"BACKENDS": {"default": REAL, "small": REAL}, "TITLES": "model"}
    with scripted_model():
        assert conf.backends.keys() == {"default", "small"}
        assert {entry["BACKEND"] for entry in conf.backends.values()} == {"chat.backends.scripted.ScriptedBackend"}
        assert conf.titles == "model"
    assert conf.backends == {"default": REAL, "small": REAL}


def test_a_site_that_names_no_model_has_a_played_one(settings):
    del settings.CHAT
    with scripted_model():
        assert [entry["BACKEND"] for entry in conf.backends.values()] == ["chat.backends.scripted.ScriptedBackend"]


def test_the_plugin_plays_the_model_of_a_test_that_asks_for_nothing():
    assert [entry["BACKEND"] for entry in conf.backends.values()] == ["chat.backends.scripted.ScriptedBackend"]
