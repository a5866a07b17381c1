"""The Python API with the real model that the app brings along."""

from dataclasses import dataclass

import pytest

from chat import Answer, ask, astream
from chat.engine import background

pytestmark = pytest.mark.model


@dataclass
class Verdict:
    is_a_city: bool
    continent: str


@pytest.fixture
def local(transactional_db, settings):
    """The site's own default, which always chooses the likeliest words."""
    backend = {"BACKEND": "chat.backends.local.LocalBackend", "OPTIONS": {"temperature": 0.0}}
    settings.CHAT = {"BACKENDS": {"default": backend}, "GRACE_PERIOD": 0.5}
    yield
    background.close()


async def test_the_bundled_model_answers(local):
    pieces = [piece async for piece in astream("default", "What is the capital of France?", timeout=60)]
    *texts, answer = pieces
    assert isinstance(answer, Answer)
    assert answer.status in ("complete", "cut")
    assert "".join(texts) == answer.text != ""
    assert len(texts) > 1


def test_it_returns_a_value(local):
    answer = ask("default", "Is Paris a city, and on which continent is it?", returns=Verdict, timeout=60)
    assert (answer.status, answer.error) == ("complete", ""), answer
    assert isinstance(answer.value, Verdict)
    assert isinstance(answer.value.is_a_city, bool)
