"""What a process has under way: begun in a context of its own, waited for, given up."""

import asyncio
from contextvars import ContextVar

from chat.engine.tasks import Tasks

visitor = ContextVar("visitor", default="nobody")


async def asked():
    return visitor.get()


async def test_a_task_knows_nothing_of_the_request_that_began_it():
    visitor.set("somebody")
    assert await Tasks().spawn(asked()) == "nobody"


async def test_a_task_that_serves_sockets_knows_nothing_of_the_one_that_began_it():
    visitor.set("somebody")
    assert await Tasks().spawn_for_socket(asked()) == "nobody"


async def test_what_a_task_begins_meanwhile_is_waited_for_too():
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


async def test_what_does_not_end_is_waited_for_no_longer_than_is_said_and_then_given_up(caplog):
    tasks = Tasks()
    endless = tasks.spawn(asyncio.Event().wait())
    await tasks.wait(0.01)
    assert not endless.done()
    tasks.give_up()
    await tasks.wait(10)
    assert endless.cancelled()
    assert "A task was given up" in caplog.text


async def test_sockets_are_not_waited_for_but_ended():
    tasks = Tasks()
    socket = asyncio.create_task(asyncio.Event().wait())
    tasks.serve(socket)
    await tasks.wait(10)
    assert not socket.done()
    await tasks.end_sockets(10)
    assert socket.cancelled()
