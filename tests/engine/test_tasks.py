"""The tasks of a process: started in an empty context, waited for, given up."""

import asyncio
from contextvars import ContextVar

from chat.engine.tasks import Tasks

visitor = ContextVar("visitor", default="nobody")


async def current_visitor():
    return visitor.get()


async def test_a_task_does_not_inherit_the_context_of_its_request():
    visitor.set("somebody")
    assert await Tasks().spawn(current_visitor()) == "nobody"


async def test_a_task_that_serves_sockets_does_not_inherit_a_context_either():
    visitor.set("somebody")
    assert await Tasks().spawn_for_socket(current_visitor()) == "nobody"


async def test_tasks_that_are_started_meanwhile_are_waited_for_too():
    tasks, done = Tasks(), []

    async def later():
        await asyncio.sleep(0)
        done.append("later")

    async def first():
        tasks.spawn(later())
        done.append("first")

    tasks.spawn(first())
    await tasks.wait(10)
    assert done == ["first", "later"]
    assert not tasks


async def test_a_task_that_does_not_end_is_waited_for_up_to_the_limit_and_then_cancelled(caplog):
    tasks = Tasks()
    endless = tasks.spawn(asyncio.Event().wait())
    await tasks.wait(0.01)
    assert not endless.done()
    tasks.give_up()
    await tasks.wait(10)
    assert endless.cancelled()
    assert "A task was given up" in caplog.text


async def test_tasks_that_serve_sockets_are_not_waited_for_but_cancelled():
    tasks = Tasks()
    socket = asyncio.create_task(asyncio.Event().wait())
    tasks.serve(socket)
    await tasks.wait(10)
    assert not socket.done()
    await tasks.end_sockets(10)
    assert socket.cancelled()


async def test_work_is_completed_although_its_caller_is_cancelled():
    tasks, may_end, done = Tasks(), asyncio.Event(), []

    async def work():
        await may_end.wait()
        done.append("all")

    caller = asyncio.ensure_future(tasks.complete(work()))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.wait([caller])
    may_end.set()
    await tasks.wait(5)
    assert (caller.cancelled(), done) == (True, ["all"])
