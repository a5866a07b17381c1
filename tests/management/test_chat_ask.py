"""``manage.py chat_ask``: what it prints, and how it ends."""

import io
import json

import pytest
from django.contrib.auth.models import Group, User
from django.core.management import CommandError, call_command

from chat.assistants import Assistant, tool
from chat.assistants.discovery import registry
from chat.engine import background
from chat.models import Conversation, Message


class Default(Assistant):
    """Answers everybody."""


class Support(Assistant):
    """Talks with users about groups."""

    about = Group

    def has_permission(self):
        return self.user is not None

    def get_instructions(self):
        return f"You help {self.user} with {self.about}, in {self.language or 'English'}."

    @tool(confirm=True)
    def cancel(self) -> str:
        """Cancel it."""
        return "It is cancelled."


@pytest.fixture
def model(transactional_db, script):
    with registry.replaced(Default, Support):
        yield script
    background.close()


def run(*arguments):
    out = io.StringIO()
    call_command("chat_ask", *arguments, stdout=out)
    return out.getvalue()


def failure(*arguments):
    out = io.StringIO()
    with pytest.raises(CommandError) as error:
        call_command("chat_ask", *arguments, stdout=out)
    assert error.value.returncode == 1
    return str(error.value), out.getvalue()


def test_the_answer_is_printed_with_a_line_end(model):
    model.will_say("One ", "two.")
    assert run("default", "Count") == "One two.\n"
    assert Conversation.objects.get().owner == "server"


def test_a_user_and_an_object_are_named_and_the_conversation_goes_on(model):
    User.objects.create_user("ada")
    group = Group.objects.create(name="Order 1")
    model.will_say("Yes.")
    about = ("--about", f"auth.Group:{group.pk}", "--language", "de")
    answer = json.loads(run("support", "Here?", "--user", "ada", *about, "--json"))
    assert (answer["status"], answer["text"], answer["value"]) == ("complete", "Yes.", None)
    model.will_say("No.")
    assert run("support", "There?", "--user", "ada", "--conversation", answer["conversation"]) == "No.\n"
    told = [request.messages[0]["content"] for request in model.requests]
    assert told == ["You help ada with Order 1, in de.", "You help ada with Order 1, in English."]


def test_an_answer_that_is_not_kept_leaves_nothing(model):
    model.will_say("One.")
    assert run("default", "Count", "--no-keep") == "One.\n"
    assert Conversation.objects.count() == 0


def test_mistakes_are_named(model):
    User.objects.create_user("ada")
    assert failure("default", "Hello", "--user", "bob") == ('There is no user whose username is "bob".', "")
    assert failure("nobody", "Hello")[0].startswith('There is no assistant "nobody".')
    assert failure("support", "Hello")[0] == "You may not do this."
    assert failure("support", "Hello", "--user", "ada", "--about", "Group") == (
        '--about must be like "shop.Order:7", with a model of this site, got "Group".',
        "",
    )
    for key in ("7", "seven"):
        missing = f'There is no group with the key "{key}".'
        assert failure("support", "Hello", "--user", "ada", "--about", f"auth.Group:{key}")[0] == missing
    assert failure("default", "Hello", "--timeout", "0")[0].startswith("timeout must be a positive number")
    assert failure("default", "Hello", "--language", "12345")[0].startswith("language must be one of LANGUAGES")
    assert failure("default", "Hello", "--no-keep", "--conversation", "c1")[0].startswith("keep=False cannot continue")
    assert Message.objects.count() == 0


def test_an_answer_that_is_not_complete_is_printed_and_its_end_is_an_error(model):
    User.objects.create_user("ada")
    model.will_fail("upstream")
    said = "The answer is failed. The model is not available. Please try again."
    assert failure("default", "Count") == (said, "")
    model.will_call("cancel")
    error, out = failure("support", "Cancel", "--user", "ada", "--json")
    answer = json.loads(out)
    where = f"A decision is to be made in the conversation {answer['conversation']}."
    assert (error, answer["status"]) == (f"The answer is waiting. {where}", "waiting")
