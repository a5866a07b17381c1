"""On SQLite, the threads of a process write one after the other."""

import threading

import pytest
from django.db import connections, transaction

from chat.db import writing
from chat.db.threads import atomic, atomic_with_retry, on_commit
from chat.db.writing import one_writer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def vendor(monkeypatch):
    """Set the kind of the site's database, whatever database the tests use."""

    def choose(name):
        monkeypatch.setattr(type(connections["default"]), "vendor", name)

    choose("sqlite")
    return choose


def enters():
    """Start another thread that writes; return it with the event of its turn."""
    entered = threading.Event()

    def write():
        with one_writer():
            entered.set()

    thread = threading.Thread(target=write)
    thread.start()
    return thread, entered


def others_enter():
    """Check that another thread need not wait for this one."""
    thread, entered = enters()
    assert entered.wait(5)
    thread.join()


def others_wait():
    """Check that another thread waits for this one; return it."""
    thread, entered = enters()
    assert not entered.wait(0.05)
    return thread, entered


@pytest.mark.parametrize("wrapped", [atomic, atomic_with_retry])
def test_a_thread_waits_for_the_transaction_of_another_and_no_longer(wrapped):
    thread, entered = wrapped(others_wait)()
    assert entered.wait(5)
    thread.join()


def test_a_step_may_call_another():
    with one_writer():
        atomic(lambda: None)()
        thread, entered = others_wait()
    assert entered.wait(5)
    thread.join()


def test_a_transaction_that_takes_long_does_not_hold_the_others_off_for_ever(monkeypatch):
    monkeypatch.setattr(writing, "WAIT", 0.01)
    with one_writer():
        others_enter()
        others_enter()  # the first one has released nothing that it did not have
        monkeypatch.setattr(writing, "WAIT", 5)
        thread, entered = others_wait()
    assert entered.wait(5)
    thread.join()


def test_other_databases_let_several_write(vendor):
    vendor("postgresql")
    atomic(others_enter)()


def test_a_thread_with_a_transaction_of_the_sites_own_waits_for_no_other():
    # The other one may wait for that transaction.
    with transaction.atomic():
        atomic(others_enter)()


def test_a_hook_after_a_commit_may_write():
    done = []
    atomic(lambda: on_commit(lambda: done.append(atomic(others_wait)())))()
    thread, entered = done[0]
    assert entered.wait(5)
    thread.join()


def test_a_failed_transaction_lets_the_next_one_begin():
    @atomic
    def fail():
        raise LookupError

    with pytest.raises(LookupError):
        fail()
    others_enter()


def test_a_forked_process_waits_for_none_of_its_parents_threads():
    with one_writer():
        writing._renew()
        others_enter()
