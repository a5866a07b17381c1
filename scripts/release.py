"""Checks that a tag, the version, the changelog and the built files agree, before anything is published.

    python scripts/release.py check v0.1.0         compare the tag with chat/__init__.py and CHANGELOG.md
    python scripts/release.py check v0.1.0 dist    compare it with the wheel and the sdist in a folder, too

Standard library only.
"""

import re
import sys
import tarfile
import zipfile
from email.parser import BytesParser
from pathlib import Path

from steps import ROOT, SetUpError, say

NAME = "django_llm_chat"
VERSION = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)
DATED = re.compile(r"^## \[([^\]]+)\] - \d{4}-\d{2}-\d{2}$", re.MULTILINE)


def version(root: Path = ROOT) -> str:
    """Return the version of the package, which is written in ``chat/__init__.py`` and nowhere else."""
    if found := VERSION.search((root / "chat" / "__init__.py").read_text()):
        return found[1]
    raise SetUpError("chat/__init__.py has no __version__.")


def check(tag: str, root: Path = ROOT) -> None:
    """Refuse a tag that is not the version's, and a version that the changelog does not date."""
    expected = f"v{version(root)}"
    if tag != expected:
        raise SetUpError(f'The tag must be {expected}, because chat/__init__.py says so; got "{tag}".')
    if version(root) not in DATED.findall((root / "CHANGELOG.md").read_text()):
        raise SetUpError(f'CHANGELOG.md has no line "## [{version(root)}] - YYYY-MM-DD" with the date of the release.')


def check_built(folder: Path, root: Path = ROOT) -> None:
    """Refuse a folder that holds anything but this version's wheel and sdist, or metadata of another version."""
    expected = [f"{NAME}-{version(root)}-py3-none-any.whl", f"{NAME}-{version(root)}.tar.gz"]
    found = sorted(path.name for path in folder.iterdir())
    if found != expected:
        raise SetUpError(f"{folder} must hold {' and '.join(expected)}; it holds {', '.join(found) or 'nothing'}.")
    for name, metadata in zip(
        expected, (_of_wheel(folder / expected[0]), _of_sdist(folder / expected[1])), strict=True
    ):
        if (given := BytesParser().parsebytes(metadata)["Version"]) != version(root):
            raise SetUpError(f"The metadata of {name} must name version {version(root)}; it names {given}.")


def _of_wheel(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read(f"{NAME}-{_version_of(path)}.dist-info/METADATA")


def _of_sdist(path: Path) -> bytes:
    with tarfile.open(path) as archive:
        member = archive.extractfile(f"{path.name.removesuffix('.tar.gz')}/PKG-INFO")
        return member.read() if member else b""


def _version_of(wheel: Path) -> str:
    return wheel.name.split("-")[1]


def main(arguments: list[str]) -> int:
    """Check what the command line names, and say that it is right."""
    match arguments:
        case ["check", tag]:
            check(tag)
        case ["check", tag, folder]:
            check(tag)
            check_built(Path(folder))
        case _:
            raise SetUpError("Say which tag: python scripts/release.py check v0.1.0 [FOLDER].")
    say(f"{tag} can be released.")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except SetUpError as error:
        sys.exit(str(error))
