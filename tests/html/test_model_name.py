"""The names of models as pages show them."""

import pytest

from chat.assistants.discovery import registry
from chat.html.model_name import model_name, shown_name
from tests.conftest import chat_settings


@pytest.mark.parametrize(
    ("model", "shown"),
    [
        ("gpt-5-mini", "gpt-5-mini"),
        ("Qwen/Qwen3-8B", "Qwen3-8B"),
        ("accounts/x/models/llama-3.2/", "llama-3.2"),
        ("", ""),
    ],
)
def test_a_model_is_shown_by_the_last_part_of_its_name(model, shown):
    assert shown_name(model) == shown


def test_the_default_model_is_named_as_its_backend_says(settings):
    settings.CHAT = chat_settings()
    assert model_name(registry.default) == "scripted"


def test_a_site_can_hide_the_names_of_its_models(settings):
    settings.CHAT = chat_settings(SHOW_MODEL=False)
    assert (shown_name("gpt-5-mini"), model_name(registry.default)) == ("", "")
