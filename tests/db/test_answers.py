"""The end of an answer whose process has died."""

import pytest
from django.utils import timezone

from chat.db.answers import Written, interrupt_with
from chat.models import Conversation
from chat.parts import ReasoningPart

pytestmark = pytest.mark.django_db


@pytest.fixture
def answer():
    """An answer whose last checkpoint has reasoning that had not ended."""
    made = Conversation.objects.create(owner="visitor:ann", uid="c1", updated_at=timezone.now())
    parts = [{"type": "reasoning", "text": "Hm."}]
    return made.message_set.create(uid="a1", role="assistant", status="running", parts=parts)


def test_how_long_reasoning_took_is_known_if_its_stream_has_the_end(answer):
    interrupt_with(Written(answer.pk, (ReasoningPart("Hm.", 12.3),)))
    answer.refresh_from_db()
    assert answer.parts == [{"type": "reasoning", "text": "Hm.", "seconds": 12.3}]


@pytest.mark.parametrize("stream", [(), (ReasoningPart("Hm. And"),)])
def test_how_long_reasoning_took_that_did_not_end_is_not_invented(answer, stream):
    interrupt_with(Written(answer.pk, stream))
    answer.refresh_from_db()
    assert [part.get("seconds") for part in answer.parts] == [None]
