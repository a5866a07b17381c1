"""A call of a tool: where it runs, how it ends, and what never gets out of it."""

import asyncio
import threading
from datetime import date
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.utils.translation import get_language, gettext_lazy

from chat.assistants import Assistant, Progress, ToolError, hooks, tool
from chat.assistants.calling import BUSY, FAILED, Outcome, call_tool
from chat.assistants.results import CUT, MAX_RESULT
from chat.assistants.tools import tools_of
from chat.db.calls import UNKNOWN
from tests.conftest import chat_settings
from tests.support.upstream import eventually

CANARY = "canary-7f3a"


def made(function, *, user_id=None, language="", **options):
    """Return an assistant with one tool, and the tool."""
    name = function.__name__
    assistant = type("Test", (Assistant,), {name: tool(**options)(function)})
    return assistant(user_id=user_id, language=language), tools_of(assistant)[name]


async def outcome_of(function, arguments=None, report=None, **options):
    assistant, found = made(function, **options)
    return await call_tool(assistant, found, arguments or {}, report or (lambda text: None))


async def test_a_synchronous_tool_runs_on_a_thread_of_the_tools():
    def work(self, number: int):
        """Work."""
        return [number, threading.current_thread().name[:10]]

    assert await outcome_of(work, {"number": 7}) == Outcome("done", [7, "chat-tools"])


async def test_an_asynchronous_tool_runs_on_the_loop():
    async def work(self):
        """Work."""
        await asyncio.sleep(0)
        return threading.current_thread().name

    assert await outcome_of(work) == Outcome("done", threading.current_thread().name)


async def test_a_tool_runs_in_the_language_of_the_page():
    def work(self):
        """Work."""
        return get_language()

    async def awork(self):
        """Work."""
        return get_language()

    assert (await outcome_of(work, language="de")).output == "de"
    assert (await outcome_of(awork, language="ar")).output == "ar"


async def test_results_are_encoded_as_django_does():
    def work(self):
        """Work."""
        return {"total": Decimal("1.50"), "day": date(2026, 11, 30), "text": gettext_lazy("Yes"), "none": None, 1: (2,)}

    expected = {"total": "1.50", "day": "2026-11-30", "text": "Yes", "none": None, "1": [2]}
    assert await outcome_of(work) == Outcome("done", expected)


async def test_progress_is_reported_and_the_last_value_is_the_result():
    def work(self):
        """Work."""
        yield Progress("one")
        yield "dropped"
        yield Progress(gettext_lazy("two"))
        yield "result"

    async def awork(self):
        """Work."""
        yield Progress("one")
        yield Progress("two")
        yield "result"

    for function in (work, awork):
        said = []
        assert await outcome_of(function, report=said.append) == Outcome("done", "result")
        await asyncio.sleep(0)
        assert said == ["one", "two"]


@pytest.mark.parametrize("values", [[], ["text", Progress("last")]])
async def test_a_tool_that_yields_no_result_has_none(values):
    def work(self):
        """Work."""
        yield from values

    async def awork(self):
        """Work."""
        for value in values:
            yield value

    assert await outcome_of(work) == await outcome_of(awork) == Outcome("done", None)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("kind", ["row", "queryset"])
async def test_a_row_of_the_database_is_no_result(kind, nested, caplog):
    await User.objects.acreate(username=CANARY)

    def work(self):
        """Work."""
        found = User.objects.all() if kind == "queryset" else User.objects.get()
        return {"rows": [found]} if nested else found

    assert await outcome_of(work) == Outcome("failed", error=FAILED)
    assert 'list(queryset.values("number", "total"))' in caplog.text


@pytest.mark.parametrize("result", [object(), {1, 2}.__iter__(), float("nan"), b"x", lambda: 7])
async def test_what_is_not_plain_data_is_no_result(result):
    def work(self):
        """Work."""
        return result

    assert await outcome_of(work) == Outcome("failed", error=FAILED)


async def test_a_long_result_is_cut_with_a_sentence():
    def work(self):
        """Work."""
        return ["x" * MAX_RESULT]

    output = (await outcome_of(work)).output
    assert len(output) == MAX_RESULT + 1 + len(CUT)
    assert output.endswith(CUT)


async def test_what_databases_cannot_hold_is_replaced_in_results_and_progress():
    def work(self):
        """Work."""
        yield Progress("a\0\ud800")
        yield {"k\0": ["\ud800"]}

    said = []
    assert (await outcome_of(work, report=said.append)).output == {"k\ufffd": ["\ufffd"]}
    assert said == ["a\ufffd\ufffd"]


@pytest.mark.parametrize("is_async", [False, True])
async def test_an_exception_is_only_logged(is_async, caplog):
    def work(self):
        """Work."""
        raise ValueError(CANARY)

    async def awork(self):
        """Work."""
        raise ValueError(CANARY)

    assert await outcome_of(awork if is_async else work) == Outcome("failed", error=FAILED)
    assert CANARY in caplog.text


async def test_a_tool_error_says_why():
    def work(self):
        """Work."""
        raise ToolError("No such order.")

    assert await outcome_of(work) == Outcome("failed", error="No such order.")


async def test_a_tool_error_without_a_text_is_a_failure():
    def work(self):
        """Work."""
        raise ToolError

    assert await outcome_of(work) == Outcome("failed", error=FAILED)


async def test_an_asynchronous_tool_is_cancelled_at_its_timeout():
    cancelled = asyncio.Event()

    async def work(self):
        """Work."""
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    assert await outcome_of(work, timeout=0.01) == Outcome("unknown", error=UNKNOWN)
    await asyncio.wait_for(cancelled.wait(), 5)


async def test_a_synchronous_tool_that_takes_too_long_runs_to_its_end_and_its_result_is_dropped():
    may_end, ended = threading.Event(), threading.Event()

    def work(self):
        """Work."""
        may_end.wait(10)
        ended.set()
        return CANARY

    assert await outcome_of(work, timeout=0.05) == Outcome("unknown", error=UNKNOWN)
    may_end.set()
    assert await asyncio.to_thread(ended.wait, 5)


async def test_a_tool_for_which_no_thread_is_free_fails_and_does_not_run_later(settings):
    from chat.assistants.hooks import close_threads

    settings.CHAT = chat_settings(TOOL_THREADS=1)
    close_threads()
    may_end, ran = threading.Event(), []

    def hang(self):
        """Work."""
        may_end.wait(10)

    def work(self):
        """Work."""
        ran.append(1)

    assistant, hanging = made(hang, timeout=5)
    first = asyncio.ensure_future(call_tool(assistant, hanging, {}, print))
    await asyncio.sleep(0)
    try:
        assert await outcome_of(work, timeout=0.05) == Outcome("failed", error=BUSY)
    finally:
        may_end.set()
    assert (await first).state == "done"

    def after(self):
        """Work."""
        return len(ran)

    assert await outcome_of(after, timeout=5) == Outcome("done", 0)  # the thread has passed the call by
    close_threads()


async def test_a_tool_that_waits_for_a_thread_when_its_caller_is_cancelled_never_begins(settings):
    from chat.assistants.hooks import close_threads

    settings.CHAT = chat_settings(TOOL_THREADS=1)
    close_threads()
    begun, may_end, ran = threading.Event(), threading.Event(), []

    def hang(self):
        """Work."""
        begun.set()
        may_end.wait(10)

    def work(self):
        """Work."""
        ran.append(1)

    def after(self):
        """Work."""
        return len(ran)

    first = asyncio.ensure_future(outcome_of(hang, timeout=5))
    assert await asyncio.to_thread(begun.wait, 5)
    stopped = asyncio.ensure_future(outcome_of(work, timeout=5))
    last = asyncio.ensure_future(outcome_of(after, timeout=5))
    await eventually(lambda: hooks._pool._work_queue.qsize() == 2)
    stopped.cancel()
    await asyncio.wait({stopped})
    may_end.set()
    assert (await first).state == "done"
    assert await last == Outcome("done", 0)
    close_threads()


async def test_a_call_whose_caller_is_cancelled_is_over_at_once():
    begun = asyncio.Event()

    async def work(self):
        """Work."""
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(60)  # a tool that does not let go

    task = asyncio.ensure_future(outcome_of(work, timeout=60))
    await begun.wait()
    task.cancel()
    await asyncio.wait({task}, timeout=1)
    assert task.cancelled()


async def test_a_tool_that_cancels_itself_has_failed():
    async def work(self):
        """Work."""
        raise asyncio.CancelledError

    assert await outcome_of(work) == Outcome("failed", error=FAILED)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_async", [False, True])
async def test_a_tool_knows_the_account_that_asks(is_async):
    user = await User.objects.acreate(username="ann")

    def work(self):
        """Work."""
        return self.user.username

    async def awork(self):
        """Work."""
        return self.user.username

    assert (await outcome_of(awork if is_async else work, user_id=user.pk)).output == "ann"
