"""Numbers, and their text for Prometheus."""

import threading

import pytest

from chat.prometheus import COUNTED, Counter, Histogram, gauge, text


def test_a_counter_counts_each_combination_of_labels():
    counter = Counter("answers_total", "Answers.", "assistant", "ending")
    for values in (("a", "cut"), ("a", "cut"), ("b", "failed")):
        counter.add(*values)
    assert text(counter.lines()) == (
        "# HELP answers_total Answers.\n# TYPE answers_total counter\n"
        'answers_total{assistant="a",ending="cut"} 2\nanswers_total{assistant="b",ending="failed"} 1\n'
    )


def test_a_counter_without_labels_begins_at_0():
    assert text(Counter("dropped_total", "Dropped.").lines()).endswith("\ndropped_total 0\n")


@pytest.mark.parametrize(("value", "shown"), [('a"b', r"a\"b"), ("a\\b", r"a\\b"), ("a\nb", r"a\nb"), ("ä", "ä")])
def test_labels_are_escaped(value, shown):
    counter = Counter("answers_total", "Answers.", "assistant")
    counter.add(value)
    assert f'answers_total{{assistant="{shown}"}} 1\n' in text(counter.lines())


def test_a_histogram_counts_values_up_to_each_bound():
    histogram = Histogram("seconds", "Time.", (0.5, 1, 10))
    for value in (0.5, 0.6, 1.0, 3.0, 11.0):
        histogram.observe(value)
    assert list(histogram.lines())[2:] == [
        'seconds_bucket{le="0.5"} 1',
        'seconds_bucket{le="1"} 3',
        'seconds_bucket{le="10"} 4',
        'seconds_bucket{le="+Inf"} 5',
        "seconds_sum 16.1",
        "seconds_count 5",
    ]


def test_a_gauge_is_one_number():
    assert list(gauge("sockets", "Open.", 3)) == ["# HELP sockets Open.", "# TYPE sockets gauge", "sockets 3"]


def test_threads_lose_no_count():
    counter = Counter("answers_total", "Answers.")

    def count():
        for _ in range(2_000):
            counter.add()

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(counter.lines())[-1] == "answers_total 16000"


def test_the_names_are_those_that_prometheus_asks_for():
    for counted in COUNTED:
        assert counted.name.startswith("llm_chat_")
        assert counted.name.endswith("_total" if isinstance(counted, Counter) else "_seconds")
