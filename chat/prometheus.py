"""Numbers that a process counts about itself, and their text in the format of Prometheus (version 0.0.4).

They are written here, because the format is a few lines of text, and a site without metrics should not need another
package. Counting takes about a microsecond, so it is for the ends of answers and for database steps, never for a delta.
"""

import threading
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_lock = threading.Lock()


class Counter:
    """A number that only grows, for each combination of labels.

    Args:
        name: the name of the metric, which ends in ``_total``.
        help: what is counted, in one sentence.
        labels: the names of the labels.
    """

    def __init__(self, name: str, help: str, *labels: str) -> None:  # noqa: A002 (Prometheus' own word)
        self.name, self.help, self._labels = name, help, labels
        self._values: dict[tuple[str, ...], float] = {} if labels else {(): 0}

    def add(self, *values: str) -> None:
        """Add one, under these values of the labels. On any thread."""
        with _lock:
            self._values[values] = self._values.get(values, 0) + 1

    def lines(self) -> Iterator[str]:
        """Yield the lines of the text format."""
        yield from _head(self.name, self.help, "counter")
        with _lock:
            counted = sorted(self._values.items())
        for values, number in counted:
            yield f"{self.name}{_labelled(self._labels, values)} {number:g}"


class Histogram:
    """How many observed values are at most as high as each of some bounds.

    Args:
        name: the name of the metric, with its unit.
        help: what is observed, in one sentence.
        bounds: the upper bounds, from the lowest to the highest.
    """

    def __init__(self, name: str, help: str, bounds: Sequence[float]) -> None:  # noqa: A002 (as above)
        self.name, self.help, self._bounds = name, help, bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value. On any thread."""
        place = bisect_left(self._bounds, value)
        with _lock:
            self._counts[place] += 1
            self._sum += value

    def lines(self) -> Iterator[str]:
        """Yield the lines of the text format."""
        yield from _head(self.name, self.help, "histogram")
        with _lock:
            counts, total = list(self._counts), self._sum
        below = 0
        for bound, count in zip([*map("{:g}".format, self._bounds), "+Inf"], counts, strict=True):
            below += count
            yield f'{self.name}_bucket{{le="{bound}"}} {below}'
        yield f"{self.name}_sum {total:.9g}"
        yield f"{self.name}_count {below}"


def gauge(name: str, help: str, value: float) -> Iterator[str]:  # noqa: A002 (as above)
    """Yield the lines of a number that goes up and down."""
    yield from _head(name, help, "gauge")
    yield f"{name} {value:g}"


def text(lines: Iterable[str]) -> str:
    """Join lines to a response."""
    return "".join(f"{line}\n" for line in lines)


def _head(name: str, sentence: str, kind: str) -> Iterator[str]:
    yield f"# HELP {name} {sentence}"
    yield f"# TYPE {name} {kind}"


def _labelled(names: Sequence[str], values: Sequence[str]) -> str:
    pairs = (f'{name}="{_escaped(value)}"' for name, value in zip(names, values, strict=True))
    return f"{{{','.join(pairs)}}}" if names else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


ANSWERS = Counter(
    "llm_chat_answers_total", "Answers that have ended or begun to wait for a decision.", "assistant", "ending", "error"
)
FIRST_TOKEN = Histogram(
    "llm_chat_first_token_seconds",
    "Time from the start of an answer to its first delta.",
    (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120),
)
DURATION = Histogram(
    "llm_chat_answer_seconds", "Time from the start of an answer to its end.", (0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
)
EVENTS_DROPPED = Counter("llm_chat_events_dropped_total", "Events that a socket did not read in time.")
DATABASE_WAIT = Histogram(
    "llm_chat_database_wait_seconds",
    "Time that a database step waits for a thread.",
    (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10),
)
COUNTED = (ANSWERS, FIRST_TOKEN, DURATION, EVENTS_DROPPED, DATABASE_WAIT)
"""All numbers that are counted as things happen."""
