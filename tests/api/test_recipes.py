"""The recipes of docs/recipes.md that ask by the Python API, or hear of its limits, do what they say."""

import sys
from types import ModuleType

import pytest
from django.contrib.auth.models import Group
from django.core import mail
from django.core.cache import cache

from chat import ChatRefused, ask
from chat.assistants.discovery import registry
from chat.engine import background
from chat.models import Conversation
from chat.signals import limit_reached
from tests.support.environments import ROOT


def recipe(word):
    """Run the block of the page that has a word; return what it defines."""
    page = (ROOT / "docs" / "recipes.md").read_text()
    (code,) = [block for block in page.split("```python\n")[1:] if word in block.partition("```")[0]]
    defined = {"__name__": "example"}
    exec(code.partition("```")[0].replace("llm_chat", "chat"), defined)  # noqa: S102 - the project's own text
    return defined


class RetriedError(Exception):
    """A task is to run again."""


class Task:
    """A task of Celery, as far as the recipe uses it."""

    def retry(self, *, eta):
        raise RetriedError(eta)


@pytest.fixture
def draft(monkeypatch):
    """Return the task of the recipe, bound."""
    celery = ModuleType("celery")
    celery.shared_task = lambda **options: lambda task: task
    monkeypatch.setitem(sys.modules, "celery", celery)
    task = recipe("shared_task")["draft_reply"]
    return lambda *arguments: task(Task(), *arguments)


def test_a_task_returns_the_conversation_that_its_user_has_then(asking, ada, draft):
    asking.will_say("Dear Bob")
    uid = draft(ada.pk, "Hello Ada")
    assert Conversation.objects.get(uid=uid).user == ada
    assert "Hello Ada" in asking.requests[0].messages[-1]["content"]


def test_a_task_that_a_limit_refuses_is_run_again_when_the_limit_allows_it(asking, ada, draft, settings):
    settings.CHAT = {**settings.CHAT, "LIMITS": {"user": {"answers": "1/day"}}}
    asking.will_say("Dear Bob")
    draft(ada.pk, "Hello Ada")
    with pytest.raises(ChatRefused) as refused:
        ask("default", "Why?", user=ada)
    with pytest.raises(RetriedError) as retried:
        draft(ada.pk, "Hello again")
    assert retried.value.args == (refused.value.retry_at,)


def test_the_limit_depends_on_the_plan_and_who_reaches_it_gets_one_mail(asking, ada, monkeypatch, settings):
    settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}  # Django 6.1
    ada.email = "ada@shop.example"
    ada.save()
    cache.clear()
    offer = recipe("offer_a_plan")["offer_a_plan"]
    plan = recipe("paying")["Default"]
    assert plan(user_id=ada.pk).limits() == {"answers": "20/day"}
    assert plan().limits() == {}
    monkeypatch.setattr(plan, "limits", lambda self: {"answers": "1/day"})
    try:
        with registry.replaced(plan):
            asking.will_say("So.")
            ask("default", "Why?", user=ada)
            for _ in range(2):
                with pytest.raises(ChatRefused):
                    ask("default", "Why?", user=ada)
            background.close()
    finally:
        limit_reached.disconnect(offer)
    (sent,) = mail.outbox
    assert (sent.to, sent.body.partition(".")[0]) == (
        ["ada@shop.example"],
        "Your plan allows 1/day (answers)",
    )
    ada.groups.add(Group.objects.create(name="customers"))
    assert recipe("paying")["Default"](user_id=ada.pk).limits() == {"answers": "500/day"}
