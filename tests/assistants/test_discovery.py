"""The assistants of a site are the classes that the ``assistants`` modules of its apps define."""

from types import ModuleType

import pytest

from chat.assistants import Assistant
from chat.assistants.discovery import Registry, Settings, name_of, registry
from tests.support import assistants


@pytest.fixture
def found(monkeypatch):
    """Return a new registry of a site whose app has ``tests.support.assistants`` as its ``assistants`` module."""
    monkeypatch.setattr("chat.assistants.discovery._modules", lambda: iter([assistants]))
    return Registry()


def test_a_module_gives_the_classes_that_it_defines_in_order(found):
    assert found.defined == [assistants.Support, assistants.Sales]


def test_a_base_class_and_an_imported_class_are_no_assistants_of_the_site(found):
    assert assistants.Shop not in found.defined
    assert Assistant not in found.defined


def test_a_name_is_that_of_the_class_in_lower_case_or_its_own(found):
    assert [name_of(assistant) for assistant in found.defined] == ["support", "sales-desk"]
    assert found.get("support") is assistants.Support
    assert found.get("sales-desk") is assistants.Sales
    assert found.get("sales") is None


def test_of_two_assistants_of_one_name_the_first_answers():
    class Support(Assistant):
        pass

    class Help(Assistant):
        name = "support"

    with registry.replaced(Support, Help):
        assert registry.get("support") is Support


def test_a_site_without_a_default_assistant_has_that_of_its_settings(found):
    assert found.default is Settings
    assert name_of(found.default) == "default"


def test_an_assistant_named_default_replaces_that_of_the_settings():
    class Default(Assistant):
        pass

    with registry.replaced(Default):
        assert registry.default is Default
    assert registry.default is Settings


def test_each_app_with_such_a_module_is_asked(monkeypatch):
    imported = []
    monkeypatch.setattr("chat.assistants.discovery.module_has_submodule", lambda module, _: "auth" in module.__name__)

    def module(path):
        imported.append(path)
        return ModuleType(path)

    monkeypatch.setattr("chat.assistants.discovery.import_module", module)
    assert Registry().defined == []
    assert imported == ["django.contrib.auth.assistants"]


def test_a_module_that_cannot_be_imported_says_so(monkeypatch):
    monkeypatch.setattr("chat.assistants.discovery.module_has_submodule", lambda module, _: "auth" in module.__name__)
    with pytest.raises(ImportError, match=r"django\.contrib\.auth\.assistants"):
        _ = Registry().defined
