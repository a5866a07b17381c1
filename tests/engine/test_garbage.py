"""Full garbage collections are rare, and do not visit what a server holds after its start."""

import asyncio
import gc

import pytest

from chat.engine import engine as engine_module
from chat.engine import garbage
from chat.engine.engine import Engine
from chat.engine.garbage import FULL


@pytest.fixture(autouse=True)
def thawed(monkeypatch):
    """Begin as a process that has changed nothing, and leave it so."""
    monkeypatch.setattr(garbage, "_tuned", [])
    gc.unfreeze()
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 (the collector has no event to wait for)
            await asyncio.sleep(0.005)


async def test_a_server_exempts_what_it_has_loaded_and_nothing_later(served):
    await served.start()
    await until(gc.get_freeze_count)
    frozen = gc.get_freeze_count()
    assert frozen > 100_000
    garbage.tune()  # as another event loop of the same process would do
    assert gc.get_freeze_count() <= frozen  # fewer, where some were freed meanwhile
    assert len(gc.get_objects()) < frozen
    assert gc.get_threshold() == (700, 10, FULL)


def test_a_site_that_has_made_them_rarer_keeps_its_own_thresholds():
    gc.set_threshold(5_000, 20, 1_000)
    garbage.tune()
    assert gc.get_threshold() == (5_000, 20, 1_000)


def test_what_is_garbage_at_the_start_is_not_kept():
    class Loop:
        def __init__(self):
            self.itself = self

    gc.disable()
    try:
        Loop()
        garbage.tune()
        gc.unfreeze()
        assert not [found for found in gc.get_objects() if isinstance(found, Loop)]
    finally:
        gc.enable()


async def test_the_setting_turns_it_off(served, settings):
    settings.CHAT = {**settings.CHAT, "GC_TUNING": False}
    await served.start()
    await served.tasks.wait(5)
    assert gc.get_freeze_count() == 0
    assert gc.get_threshold() == (700, 10, 10)


async def test_a_process_that_only_asks_leaves_the_collector_alone(transactional_db, monkeypatch):
    called = []
    monkeypatch.setattr(engine_module, "tune", lambda: called.append(True))
    client = Engine(client=True)
    await client.start()
    await client.drain()
    assert not called
