"""Whose limits hold for what a site's own code asks: the user's, or none but the site's."""

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from chat import ChatRefused, ask
from chat.assistants import Assistant
from chat.assistants.discovery import registry
from chat.models import Conversation, Counter, Message


class Sparing(Assistant):
    """Answers one question of each visitor in a day."""

    def limits(self):
        return {"answers": "1/day"}


def running(**owner):
    """Store a conversation in which an answer runs."""
    uid, now = f"c{Conversation.objects.count()}", timezone.now()
    conversation = Conversation.objects.create(uid=uid, updated_at=now, **owner)
    answer = Message.objects.create(conversation=conversation, uid="a", role="assistant", status=Message.Status.RUNNING)
    Conversation.objects.filter(pk=conversation.pk).update(running=answer)


@pytest.fixture(params=["as one", "by the ORM"])
def stored(request, monkeypatch):
    """Store questions in both ways that there are, also in that of databases without ON CONFLICT."""
    if request.param == "by the ORM":
        from chat.db import known_turns, turns

        monkeypatch.setattr(turns, "_ask_new", known_turns.ask)


def test_the_site_itself_may_have_any_number_of_conversations(asking, settings, stored):
    settings.CHAT = {**settings.CHAT, "MAX_CONVERSATIONS_PER_VISITOR": 1}
    for _ in range(3):
        asking.will_say("So.")
        assert ask("default", "Why?").text == "So."


@pytest.mark.parametrize("keep", [True, False])
def test_any_number_of_answers_of_the_site_itself_run_at_once(asking, settings, stored, keep):
    settings.CHAT = {**settings.CHAT, "MAX_RUNNING_PER_OWNER": 1}
    for owner in ("server", "unkept"):
        running(owner=owner)
    asking.will_say("So.")
    assert ask("default", "Why?", keep=keep).text == "So."


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("kept", [True, False])
def test_the_running_answers_of_a_user_count_whether_they_are_kept_or_not(asking, ada, settings, stored, keep, kept):
    settings.CHAT = {**settings.CHAT, "MAX_RUNNING_PER_OWNER": 2}
    running(owner=f"user:{ada.pk}", user=ada)
    eve = User.objects.create_user("eve")
    running(owner="unkept", user=eve)
    asking.will_say("So.")
    assert ask("default", "Why?", user=ada, keep=keep).text == "So."
    running(owner=f"user:{ada.pk}" if kept else "unkept", user=ada)
    with pytest.raises(ChatRefused) as refused:
        ask("default", "Why?", user=ada, keep=keep)
    assert refused.value.code == "too_many_answers"
    asking.will_say("So.")
    assert ask("default", "Why?", user=eve, keep=keep).text == "So."


def test_what_is_not_kept_counts_against_the_limits_of_its_user(asking, ada, settings):
    settings.CHAT = {**settings.CHAT, "LIMITS": {"user": {"answers": "2/day"}}}
    for keep in (False, True):
        asking.will_say("So.")
        ask("default", "Why?", user=ada, keep=keep)
    for keep in (False, True):
        with pytest.raises(ChatRefused) as refused:
            ask("default", "Why?", user=ada, keep=keep)
        assert refused.value.code == "limit"
    assert Counter.objects.get().name.startswith(f"owner user:{ada.pk} answers day ")


@pytest.mark.parametrize("keep", [True, False])
def test_the_site_itself_is_no_visitor_but_counts_for_the_whole_site(asking, settings, keep):
    settings.CHAT = {**settings.CHAT, "LIMITS": {"anonymous": {"answers": "1/day"}, "site": {"answers": "2/day"}}}
    for _ in range(2):
        asking.will_say("So.")
        ask("default", "Why?", keep=keep)
    with pytest.raises(ChatRefused) as refused:
        ask("default", "Why?", keep=keep)
    assert refused.value.code == "limit"


def test_limits_of_an_assistant_hold_for_each_user_and_not_for_the_site_itself(asking, ada):
    with registry.replaced(Sparing):
        for user in (None, None, ada):
            asking.will_say("So.")
            ask("sparing", "Why?", user=user)
        with pytest.raises(ChatRefused) as refused:
            ask("sparing", "Why?", user=ada, keep=False)
    assert refused.value.code == "limit"
