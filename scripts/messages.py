"""Updates the catalogues of translations from the code and the templates, and compiles them.

    python scripts/messages.py            as `make messages` does: gettext's xgettext and msgmerge must be installed
    python scripts/messages.py compile    only compile the .mo files, without gettext

A translator edits the catalogues between the two; `tests/test_translations.py` lists what is untranslated. The output
depends only on the texts: no dates, no line numbers.
"""

import os
import re
import shutil
import sys
from pathlib import Path

import polib
from steps import ROOT, SetUpError, say, shown

LANGUAGES = ("ar", "de", "fr")
FOLDERS = (ROOT / "chat" / "locale", ROOT / "locale")
"""The app's folder of translations, which is part of the wheel, and the site's own."""

HEADERS = re.compile(r'^"(?:POT-Creation-Date|Report-Msgid-Bugs-To): .*\\n"\n', re.MULTILINE)
"""Headers from gettext that do not depend on the texts."""

OTHERS = ("tests/*", "scripts/*", "benchmarks/*", "docs/*", "build/*", "dist/*", "node_modules/*")


def catalogues() -> list[Path]:
    return sorted(path for folder in FOLDERS for path in folder.glob("*/LC_MESSAGES/django.po"))


def collect() -> None:
    """Write every text that is marked for translation to the catalogues, in the order of the source."""
    if shutil.which("xgettext") is None:
        raise SetUpError("GNU gettext is needed to collect texts: apt install gettext, or brew install gettext.")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatproject.settings")
    sys.path.insert(0, str(ROOT))
    os.chdir(ROOT)
    import django
    from django.core.management import call_command

    django.setup()
    for folder in FOLDERS:
        folder.mkdir(exist_ok=True)
    call_command(
        "makemessages",
        locale=list(LANGUAGES),
        extensions=["html", "py"],
        ignore_patterns=list(OTHERS),
        no_location=True,
        no_wrap=True,
        no_obsolete=True,
        verbosity=0,
    )
    for path in catalogues():
        path.write_text(HEADERS.sub("", path.read_text()))


def compile_all() -> None:
    """Compile the catalogues; the same texts always give the same bytes."""
    for path in catalogues():
        catalogue = polib.pofile(str(path))
        path.with_suffix(".mo").write_bytes(catalogue.to_binary())
        missing = len(catalogue.untranslated_entries()) + len(catalogue.fuzzy_entries())
        say(f"{shown(path)}: {len(catalogue.translated_entries())} texts" + (f", {missing} to do" if missing else ""))


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["compile"]):
        raise SetUpError("Say nothing more, or compile: python scripts/messages.py [compile].")
    if not arguments:
        collect()
    compile_all()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except SetUpError as error:
        sys.exit(str(error))
