"""A plugin for pytest, with pytest-django: ``pytest_plugins = ["llm_chat.testing.fixtures"]`` in ``conftest.py``."""

from collections.abc import Iterator

import pytest

from ..backends.scripted import Script
from ..engine import background
from .scripted import scripted_model
from .visitors import Visitors


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown() -> None:
    """End the loop on which a test has asked by the Python API, before the database is emptied."""
    background.close()


@pytest.fixture(autouse=True)
def chat_script() -> Iterator[Script]:
    """Provide the script by which the test plays all models of the site. Every test has one, so none calls a model."""
    with scripted_model() as script:
        yield script


@pytest.fixture
def chat_visitor(transactional_db: None, chat_script: Script) -> Iterator[Visitors]:
    """Provide visitors: ``chat_visitor("support", user=customer, about=order)``. They leave at the end of the test."""
    visitors = Visitors(chat_script)
    try:
        yield visitors
    finally:
        visitors.close()
