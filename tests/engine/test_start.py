"""When the ticks come."""

from types import SimpleNamespace

import pytest

from chat.engine import start


class Loop:
    """A loop whose time stands still, and which notes what it is to call."""

    def __init__(self, now):
        self.now = now
        self.planned = []

    def time(self):
        return self.now

    def call_soon(self, callback, *args):
        self.planned.append((0, callback, args))
        return len(self.planned)

    def call_later(self, wait, callback, *args):
        self.planned.append((wait, callback, args))
        return len(self.planned)


@pytest.fixture(autouse=True)
def tick(settings):
    settings.CHAT = {"TICK": 0.04}


def engine(took, runs=("a run",)):
    return SimpleNamespace(loop=Loop(100 + took), runs=runs, next_tick="the last one")


@pytest.mark.parametrize(("took", "wait"), [(0.0, 0.04), (0.01, 0.03), (0.02, 0.02), (0.1, 0.1)])
def test_ticks_take_at_most_half_of_the_time(took, wait):
    one = engine(took)
    start._plan_tick(one, 100, 0)
    ((planned, callback, _),) = one.loop.planned
    assert planned == pytest.approx(wait)
    assert (callback, one.next_tick) == (start._tick, 1)


def test_the_time_of_a_tick_includes_the_steps_of_its_readers():
    one = engine(0.0)
    start._plan_tick(one, 100, 2)
    for _ in range(2):
        ((_, callback, args),) = one.loop.planned
        assert callback is start._plan_tick
        one.loop.planned.clear()
        one.loop.now += 0.05
        callback(*args)
    assert one.loop.planned[0][0] == pytest.approx(0.1)


def test_without_runs_there_is_no_tick():
    one = engine(0.01, runs=())
    start._plan_tick(one, 100, 0)
    assert (one.loop.planned, one.next_tick) == ([], None)
