"""Dotted paths with either of the package's two names."""

import sys
from unittest.mock import patch

import pytest

from chat.importing import import_path


def test_a_path_of_the_installed_package_is_an_error_with_the_right_one():
    with pytest.raises(ImportError, match=r'^in a checkout the package is "chat", so write "chat\.text\.storable"\.$'):
        import_path("llm_chat.text.storable")


@pytest.mark.parametrize(
    ("path", "missing"),
    [
        ("chat.backends.none.Backend", "chat.backends.none"),
        ("llm_chat.backends.none.Backend", "llm_chat"),
        ("llm_chat.text.no_such_name", "llm_chat"),
        ("other.text.storable", "other"),
    ],
)
def test_a_path_that_exists_under_neither_name_is_reported_unchanged(path, missing):
    with pytest.raises(ModuleNotFoundError, match=rf"^No module named '{missing}'$"):
        import_path(path)


def test_an_import_error_inside_a_module_of_the_site_is_reported_unchanged(tmp_path, monkeypatch):
    (tmp_path / "llm_chat").mkdir()
    (tmp_path / "llm_chat" / "text.py").write_text("import no_such_package")
    monkeypatch.syspath_prepend(tmp_path)
    with patch.dict(sys.modules), pytest.raises(ModuleNotFoundError, match="no_such_package"):
        import_path("llm_chat.text.storable")
