"""Environments with the built wheel, made offline from the packages of the tests' environment."""

import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent.parent


def build_wheel(folder: Path, source: Path = ROOT) -> Path:
    """Build the project as it is published, and return the wheel's path."""
    succeed(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=source)
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(wheel: Path, extras: set[str], environment: Path, *others: str) -> str:
    """Create an environment with the wheel and all that its metadata requires, and return the path of its Python.

    ``others`` are more packages, with what they require.

    The packages are copied from the tests' environment: pip would take 35 s of CPU, which only ``.ci/run`` spends.
    """
    python = str(environment / "bin" / "python")
    succeed(sys.executable, "-m", "venv", "--without-pip", str(environment))
    (packages,) = environment.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    (own,) = packages.glob(f"{wheel.name.partition('-')[0]}-*.dist-info")
    found = required(metadata.Distribution.at(own), extras, {})
    for name in others:
        found[name, frozenset()] = metadata.distribution(name)
        required(found[name, frozenset()], set(), found)
    for distribution in found.values():
        for file in distribution.files:
            if ".." not in file.parts:  # commands, which are not needed here
                target = packages / file
                target.parent.mkdir(parents=True, exist_ok=True)
                put(Path(file.locate()), target)
    return python


def required(distribution, extras, found):
    """Collect all distributions that one needs with some of its extras, by name."""
    for requirement in map(Requirement, distribution.requires or ()):
        if requirement.marker and not any(requirement.marker.evaluate({"extra": extra}) for extra in {"", *extras}):
            continue
        if (key := (canonicalize_name(requirement.name), frozenset(requirement.extras))) not in found:
            found[key] = metadata.distribution(requirement.name)
            assert requirement.specifier.contains(found[key].version, prereleases=True), requirement
            required(found[key], requirement.extras, found)
    return found


def put(source: Path, target: Path) -> None:
    """Link a file, or copy it to another file system."""
    if not source.is_file() or target.exists():
        return
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copy2(source, target)


def succeed(*command: str, cwd: Path = ROOT) -> None:
    """Run a command, by default in the project's folder, and fail with its output if it fails."""
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
