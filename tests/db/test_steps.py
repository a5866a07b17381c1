"""No process forks in the middle of a database step; ``tests/faults/test_asking.py`` forks real ones."""

import threading

import pytest

from chat.db import steps as steps_module
from chat.db.steps import Steps


def test_a_fork_waits_for_the_step_under_way_and_holds_the_next_one_off():
    steps, held, second = Steps(), threading.Event(), threading.Event()

    def fork():
        steps.hold()
        held.set()

    def step():
        with steps:
            second.set()

    with steps:
        forking = threading.Thread(target=fork)
        forking.start()
        assert not held.wait(0.05)
    assert held.wait(5)
    steps.hold()  # another thread forks, too, and is done earlier
    steps.release()
    stepping = threading.Thread(target=step)
    stepping.start()
    assert not second.wait(0.05)
    steps.release()
    assert second.wait(5)
    forking.join()
    stepping.join()


@pytest.mark.parametrize("begins", [Steps.hold, Steps.__enter__])
def test_neither_waits_for_ever(monkeypatch, begins):
    monkeypatch.setattr(steps_module, "FORK_WAIT", 0.01)
    steps = Steps()
    with steps:
        steps.hold()
        begins(steps)
