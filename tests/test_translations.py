"""The catalogues have all texts of the code and the templates, fully translated, and are compiled."""

import ast
import re
from pathlib import Path

import polib
import pytest
from django.utils.translation import override
from django.utils.translation.template import templatize

from chat.errors import ERRORS, sentence
from chatproject.settings import LANGUAGE_CODE, LANGUAGES

ROOT = Path(__file__).parent.parent
CODES = sorted(code for code, _ in LANGUAGES if code != LANGUAGE_CODE)
CATALOGUES = [folder / code for folder in (ROOT / "chat" / "locale", ROOT / "locale") for code in CODES]
MARKED = {"_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy", "pgettext", "pgettext_lazy"}
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w*\}|<[^>]+>|https?://\S+|pip install [\w -]+")
catalogues = pytest.mark.parametrize("folder", CATALOGUES, ids=lambda path: str(path.relative_to(ROOT)))


def of_code(path):
    """Yield the texts that a module marks: both of a plural, and not the context of a ``pgettext``."""
    for node in ast.walk(ast.parse(path.read_text())):
        name = getattr(getattr(node, "func", None), "id", "")
        if name in MARKED:
            texts = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
            yield from (text for text in texts[name.startswith("pgettext") :] if isinstance(text, str))


def of_template(path):
    """Yield the texts that a template marks; Django turns them into calls, as it does for gettext."""
    for call in re.finditer(r"\b(n?p?gettext|_)\((.*?)\) ", templatize(path.read_text()) + " "):
        texts = [ast.literal_eval(text) for text in re.findall(r"u?'(?:[^'\\]|\\.)*'|u?\"(?:[^\"\\]|\\.)*\"", call[2])]
        yield from texts["p" in call[1] :]


def marked(folder):
    """Return the texts that a catalogue is for: those of the app, or of the site around it."""
    places = [ROOT / "chat"] if folder.parts[-3] == "chat" else [ROOT / "templates", ROOT / "chatproject"]
    found = set()
    for place in places:
        for path in place.rglob("*.py"):
            found.update(of_code(path))
        for path in place.rglob("*.html"):
            found.update(of_template(path))
    return found


def read(folder):
    return polib.pofile(str(folder / "LC_MESSAGES" / "django.po"))


@catalogues
def test_the_catalogue_has_exactly_the_texts_that_are_marked(folder):
    texts = {text for entry in read(folder) for text in (entry.msgid, entry.msgid_plural) if text}
    assert marked(folder) - texts == set(), "run make messages"
    assert texts - marked(folder) == set(), "run make messages"


@catalogues
def test_every_text_is_translated_with_its_placeholders(folder):
    catalogue = read(folder)
    assert [entry.msgid for entry in catalogue.untranslated_entries()] == []
    assert [entry.msgid for entry in catalogue.fuzzy_entries()] == []
    for entry in catalogue:
        for text in entry.msgstr_plural.values() or [entry.msgstr]:
            assert sorted(PLACEHOLDER.findall(text)) == sorted(PLACEHOLDER.findall(entry.msgid)), entry.msgid


@catalogues
def test_the_compiled_catalogue_is_up_to_date(folder):
    compiled = (folder / "LC_MESSAGES" / "django.mo").read_bytes()
    assert compiled == read(folder).to_binary(), "run python scripts/messages.py compile"


def test_this_test_finds_texts_in_code_and_templates():
    app = marked(CATALOGUES[0])
    assert {"Try again", "New chat", "user", ERRORS["busy"].sentence} <= app
    assert any("%(query)s" in text for text in app)
    assert "Sign out" in marked(CATALOGUES[-1])


@pytest.mark.parametrize("code", CODES)
def test_a_running_site_speaks_the_language(code):
    assert sentence("busy", code) not in ("", ERRORS["busy"].sentence)


@pytest.mark.parametrize(("code", "bidi"), [("ar", True), ("de", False)])
def test_arabic_is_written_from_right_to_left(code, bidi, client, db):
    page = client.get("/accounts/login/", headers={"Accept-Language": code}).content.decode()
    assert f'<html lang="{code}" dir="{"rtl" if bidi else "ltr"}">' in page
    with override(code):
        assert "Sign in" not in page
