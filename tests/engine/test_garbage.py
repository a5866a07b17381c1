"""What a server holds after its start is not visited by garbage collections."""

import asyncio
import gc

import pytest

from chat.engine import engine as engine_module
from chat.engine import garbage
from chat.engine.engine import Engine


@pytest.fixture(autouse=True)
def thawed(monkeypatch):
    """Begin as a process that has exempted nothing, and leave it so."""
    monkeypatch.setattr(garbage, "_frozen", [])
    gc.unfreeze()
    yield
    gc.unfreeze()


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 (the collector has no event to wait for)
            await asyncio.sleep(0.005)


async def test_a_server_exempts_what_it_has_loaded_and_nothing_later(served):
    await served.start()
    await until(gc.get_freeze_count)
    frozen = gc.get_freeze_count()
    assert frozen > 100_000
    garbage.exempt_startup()  # as another event loop of the same process would do
    assert gc.get_freeze_count() <= frozen  # fewer, where some were freed meanwhile
    assert len(gc.get_objects()) < frozen


def test_what_is_garbage_at_the_start_is_not_kept():
    class Loop:
        def __init__(self):
            self.itself = self

    gc.disable()
    try:
        Loop()
        garbage.exempt_startup()
        gc.unfreeze()
        assert not [found for found in gc.get_objects() if isinstance(found, Loop)]
    finally:
        gc.enable()


async def test_the_setting_turns_it_off(served, settings):
    settings.CHAT = {**settings.CHAT, "GC_FREEZE": False}
    await served.start()
    await served.tasks.wait(5)
    assert gc.get_freeze_count() == 0


async def test_a_process_that_only_asks_leaves_the_collector_alone(transactional_db, monkeypatch):
    called = []
    monkeypatch.setattr(engine_module, "exempt_startup", lambda: called.append(True))
    client = Engine(client=True)
    await client.start()
    await client.drain()
    assert not called
