"""The hooks of an assistant: where they run, in which language, and what happens if they fail or hang."""

import asyncio
import threading

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.utils.translation import get_language, gettext, gettext_lazy

from chat.assistants import Assistant
from chat.assistants.discovery import Settings, registry
from chat.assistants.hooks import instructions_of
from chat.models import Conversation, Message
from tests.conftest import chat_settings


def by(user=None):
    return Conversation(owner="visitor:ann", uid="c1", user_id=user)


async def test_the_instructions_of_the_class_need_no_thread(settings):
    class Default(Assistant):
        instructions = "Be brief."

    settings.CHAT = chat_settings(TOOL_THREADS="no number")  # a pool would not be made
    assert await instructions_of(Default(by())) == "Be brief."


async def test_the_prompt_of_the_settings_is_that_of_the_assistant_that_they_describe(settings):
    settings.CHAT = chat_settings(SYSTEM_PROMPT="Be brief.")
    assert await instructions_of(Settings(by())) == "Be brief."
    settings.CHAT = chat_settings(SYSTEM_PROMPT=lambda conversation: f"You talk with {conversation.owner}.")
    assert await instructions_of(Settings(by())) == "You talk with visitor:ann."


async def test_an_assistant_with_instructions_does_not_get_the_prompt_of_the_settings(settings):
    class Default(Assistant):
        instructions = "Be kind."

    settings.CHAT = chat_settings(SYSTEM_PROMPT="Be brief.")
    assert await instructions_of(Default(by())) == "Be kind."


async def test_a_synchronous_hook_runs_on_a_thread_of_its_own_pool():
    class Default(Assistant):
        def get_instructions(self):
            return threading.current_thread().name

    assert (await instructions_of(Default(by()))).startswith("chat-tools")


async def test_an_asynchronous_hook_runs_on_the_loop():
    class Default(Assistant):
        async def get_instructions(self):
            await asyncio.sleep(0)
            return threading.current_thread().name

    assert await instructions_of(Default(by())) == threading.current_thread().name


@pytest.mark.parametrize("instructions", ["lazy", "sync", "async"])
async def test_instructions_are_in_the_language_of_the_page(instructions):
    class Lazy(Assistant):
        instructions = gettext_lazy("Yes")

    class Sync(Assistant):
        def get_instructions(self):
            return gettext("Yes")

    class Async(Assistant):
        async def get_instructions(self):
            return gettext("Yes")

    before = get_language()
    assistant = {"lazy": Lazy, "sync": Sync, "async": Async}[instructions]
    assert await instructions_of(assistant(by(), language="de")) == "Ja"
    assert await instructions_of(assistant(by(), language="fr")) == "Oui"
    assert get_language() == before


async def test_none_is_no_text():
    class Default(Assistant):
        def get_instructions(self):
            return None

    assert await instructions_of(Default(by())) == ""


@pytest.mark.django_db(transaction=True)
async def test_a_hook_of_either_kind_knows_the_account_behind_the_conversation():
    class Sync(Assistant):
        def get_instructions(self):
            return self.user.username if self.user else "nobody"

    class Async(Assistant):
        async def get_instructions(self):
            return self.user.username if self.user else "nobody"

    ann = await sync_to_async(User.objects.create_user)("ann")
    for assistant in (Sync, Async):
        assert await instructions_of(assistant(by(ann.pk))) == "ann"
        assert await instructions_of(assistant(by())) == "nobody"


async def test_the_model_reads_the_instructions_of_the_turn(script, connect):
    class Default(Assistant):
        def get_instructions(self):
            return f"{self.conversation.uid} in {self.language}"

    with registry.replaced(Default):
        socket = await connect()
        await socket.ask("One")
        reply = await script.anext_reply()
        assert [message["role"] for message in reply.request.messages] == ["system", "user"]
        assert reply.request.messages[0]["content"].endswith(" in en")
        reply.finish()


async def test_a_hook_that_fails_ends_the_answer_and_the_log_has_the_reason(script, connect, caplog):
    class Default(Assistant):
        def get_instructions(self):
            raise RuntimeError("a secret of the site")

    with registry.replaced(Default):
        socket = await connect()
        request = await socket.ask("One")
        chunks = await socket.chunks(request)
    assert chunks[-1]["type"] == "error"
    assert "secret" not in str(chunks)
    assert "a secret of the site" in caplog.text
    answer = await Message.objects.aget(role="assistant")
    assert (answer.status, answer.error) == ("failed", "internal")


async def test_an_answer_whose_hook_hangs_can_be_stopped(script, connect):
    entered, leave = threading.Event(), threading.Event()

    class Default(Assistant):
        def get_instructions(self):
            entered.set()
            leave.wait(20)

    try:
        with registry.replaced(Default):
            socket = await connect()
            request = await socket.ask("One")
            assert await asyncio.to_thread(entered.wait, 5)
            await socket.abort(request)
            await socket.chunks(request)
        answer = await Message.objects.aget(role="assistant")
        assert (answer.status, script.waiting) == ("stopped", 0)
    finally:
        leave.set()


async def test_a_hook_that_hangs_times_out(script, connect, settings):
    leave = threading.Event()

    class Default(Assistant):
        def get_instructions(self):
            leave.wait(20)

    settings.CHAT = {**settings.CHAT, "FIRST_TOKEN_TIMEOUT": 0.2}
    try:
        with registry.replaced(Default):
            socket = await connect()
            request = await socket.ask("One")
            chunks = await socket.chunks(request)
        answer = await Message.objects.aget(role="assistant")
        assert (chunks[-1]["type"], answer.error) == ("error", "timeout")
    finally:
        leave.set()
