"""Which processes are alive, as a process sees it, with a clock that the test sets."""

from datetime import UTC, datetime, timedelta

import pytest

from chat.engine import watch
from chat.engine.watch import Watch

START = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    """The watcher's own clock."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch, settings):
    settings.CHAT = {"PROCESS_TIMEOUT": 30.0}
    clock = Clock()
    monkeypatch.setattr(watch, "clock", clock)
    return clock


def heartbeats(**seconds):
    """Return the heartbeats of processes, each given in seconds."""
    return {process: START + timedelta(seconds=number) for process, number in seconds.items()}


def look(watch, clock, times, beat):
    """Look every 2 s, each time at what ``beat`` returns for the number of the look."""
    for number in range(times):
        clock.now += 2.0
        watch.look(beat(number))


def test_a05_a_row_that_does_not_change_for_the_timeout_is_stalled(clock):
    seen = Watch()
    look(seen, clock, 15, lambda number: heartbeats(dead=0, alive=number))
    assert seen.stalled() == set()
    assert seen.alive == 2
    look(seen, clock, 1, lambda number: heartbeats(dead=0, alive=99))
    assert seen.stalled() == {"dead"}
    assert seen.alive == 1


@pytest.mark.parametrize("step", [-3600, 3600])
def test_a05_a_heartbeat_that_jumps_is_a_sign_of_life_and_one_that_stays_is_none(clock, step):
    seen = Watch()
    look(seen, clock, 10, lambda number: heartbeats(dead=2 * number, alive=2 * number))
    look(seen, clock, 16, lambda number: heartbeats(dead=18, alive=18 + step + 2 * number))
    assert seen.stalled() == {"dead"}


def test_a05_heartbeats_of_a_clock_that_goes_backwards_are_signs_of_life(clock):
    seen = Watch()
    look(seen, clock, 40, lambda number: heartbeats(alive=-2 * number))
    assert seen.alive == 1


def test_a05_a_row_from_before_the_watch_began_has_the_whole_timeout(clock):
    seen = Watch()
    look(seen, clock, 15, lambda number: heartbeats(dead=-999_999))
    assert seen.stalled() == set()
    look(seen, clock, 1, lambda number: heartbeats(dead=-999_999))
    assert seen.stalled() == {"dead"}


@pytest.mark.parametrize("pause", [15.1, 3600.0])
def test_a05_after_a_pause_of_its_own_the_watcher_takes_no_process_for_dead(clock, pause):
    seen = Watch()
    look(seen, clock, 14, lambda number: heartbeats(other=0))
    clock.now += pause
    look(seen, clock, 15, lambda number: heartbeats(other=0))
    assert seen.stalled() == set()


def test_a05_a_row_that_is_gone_is_neither_stalled_nor_alive_and_has_the_whole_timeout_when_it_is_back(clock):
    seen = Watch()
    look(seen, clock, 20, lambda number: heartbeats(other=0))
    look(seen, clock, 1, lambda number: {})
    assert (seen.stalled(), seen.alive) == (set(), 0)
    look(seen, clock, 15, lambda number: heartbeats(other=0))
    assert seen.stalled() == set()


def test_a05_a_row_that_does_not_change_for_several_timeouts_is_long_dead(clock):
    seen = Watch()
    look(seen, clock, 300, lambda number: heartbeats(dead=0))
    assert seen.stalled(20) == set()
    look(seen, clock, 1, lambda number: heartbeats(dead=0))
    assert seen.stalled(20) == {"dead"}


def test_a05_the_watchers_clock_only_goes_forward():
    first = watch.clock()
    assert watch.clock() >= first
