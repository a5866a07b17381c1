"""The thread that renders long texts."""

import sys
import threading

from chat.html.markdown import thread


def test_a08_the_thread_has_a_stack_of_its_own_and_others_keep_theirs():
    before = threading.stack_size()
    thread.executor.cache_clear()
    made = thread.executor()
    assert made.submit(threading.current_thread).result() is made.submit(threading.current_thread).result()
    assert threading.stack_size() == before
    assert thread.executor() is made


def test_a08_other_threads_get_the_interpreter_soon_while_a_step_runs():
    before = sys.getswitchinterval()
    during = thread.executor().submit(thread.giving_way, lambda _: sys.getswitchinterval(), None).result()
    assert abs(during - thread.SWITCH) < 1e-4
    assert sys.getswitchinterval() == before
