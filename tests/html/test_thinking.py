"""How long a model has thought, as a sentence."""

import pytest
from django.utils.translation import override

from chat.html.thinking import thought_for


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "Reasoning"),
        (0.0, "Thought for a moment"),
        (0.9, "Thought for a moment"),
        (1.0, "Thought for 1 s"),
        (12.3, "Thought for 12 s"),
        (59.4, "Thought for 59 s"),
        (59.6, "Thought for 1 min"),
        (130.0, "Thought for 2 min"),
    ],
)
def test_a_time_is_said_in_seconds_and_then_in_minutes(seconds, said):
    assert thought_for(seconds) == said


@pytest.mark.parametrize(
    ("language", "one", "three"),
    [
        ("de", "1 Minute nachgedacht", "3 Minuten nachgedacht"),
        ("fr", "A réfléchi pendant 1 minute", "A réfléchi pendant 3 minutes"),
        ("ar", "مدة التفكير: 1 دقيقة", "مدة التفكير: 3 دقائق"),
    ],
)
def test_a_time_has_the_plural_of_its_language(language, one, three):
    with override(language):
        assert (thought_for(60.0), thought_for(180.0)) == (one, three)
