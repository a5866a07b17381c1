"""Sites with packages of others: an environment that has these packages and the built wheel."""

import os
import shutil
import sys

import node_packages
import pytest
from steps import SetUpError
from virtualenv import Virtualenv

from tests.reuse.conftest import instructions, production, start_project, upstream, wheel  # noqa: F401 (fixtures)
from tests.support.environments import ROOT, succeed

HERE = ROOT / "tests" / "existing"


@pytest.fixture(scope="session")
def python(wheel):  # noqa: F811
    """The Python of an environment with packages that sites have already, and the wheel."""
    venv = Virtualenv(ROOT / ".venv-existing")
    venv.prepare_existing()
    pip = (sys.executable, "-m", "pip", "--python", str(venv.python), "--disable-pip-version-check")
    succeed(*pip, "install", "-qq", "--no-deps", "--no-index", "--force-reinstall", str(wheel))
    return str(venv.python)


@pytest.fixture(scope="session")
def styles(tmp_path_factory):
    """The folder of the style sheets of others, installed by npm."""
    if not node_packages.npm():
        missing = f"The style sheets of others come from npm: {node_packages.MISSING}."
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    try:
        node_packages.install(HERE, tmp_path_factory.mktemp("npm") / "install.log")
    except SetUpError as error:
        pytest.fail(str(error))
    return HERE / "node_modules"


@pytest.fixture(scope="session")
def mariadbd():
    """The path of MariaDB's server, which CI must have."""
    found = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin")
    if not found:
        missing = "MariaDB is not installed: apt-get install mariadb-server."
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    return found
