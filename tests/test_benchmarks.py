"""The benchmarks: every server answers their clients, and their arithmetic and tables are right.

No figure is checked. What keeps the benchmarks from rotting is that each server is asked here, in its own process.
"""

import http.client
import itertools
import json
import subprocess
import sys

import node_packages
import pytest

from benchmarks import capacity, cell_tables, marks
from benchmarks.bench import Bench
from benchmarks.cells import Cell, Found
from benchmarks.clients import FailedError, Meter, Visitor, crowd
from benchmarks.dialects import HTML, PLAIN, TEXT
from benchmarks.harness import ROOT, run, tell, upstream
from benchmarks.measuring import Latency, Reading, Split, Spread, measure, quantile, split
from benchmarks.report import Table, figure, page, ratio
from benchmarks.servers import SUBJECTS, Cores, Servers

RATE, LENGTH = 500.0, 90
HANDSHAKE = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


@pytest.fixture(scope="module")
def model():
    with upstream(RATE, LENGTH) as port:
        yield port


@pytest.fixture(scope="module")
def servers(model):
    with Servers(model, visitors=2) as servers:
        yield servers


ASKED = [subject for subject in SUBJECTS.values() if subject.server != "foreign"]
"""The subjects with different code; the foreign site differs from the project's own only in its settings."""


@pytest.mark.parametrize("subject", ASKED, ids=lambda subject: subject.name)
def test_every_server_answers_whole_turns(subject, servers, model):
    if subject.name == "node" and not node_packages.npm():
        pytest.skip(f"The AI SDK's server needs more: {node_packages.MISSING}.")
    with servers.only(subject.server) as running:
        found = measure(subject, running, model, None, 2, RATE, LENGTH)
    assert found.cpu > 0
    assert len(found.firsts) == 2
    assert 0 <= found.latency.p50 <= found.latency.p99


def test_a_foreign_site_closes_its_connections_like_django(tmp_path):
    code = "import benchmarks.site_settings as s; print(s.DATABASES['default']['CONN_MAX_AGE'])"
    environment = {"PATH": "", "DATA_DIR": str(tmp_path), "BENCH_FOREIGN": "1"}
    printed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert printed.stdout == "0\n"


def test_a_missing_token_is_a_failure(servers, model):
    tell(model, f"pace/{RATE:g}/{LENGTH}")
    with servers.only("bare") as running, pytest.raises(FailedError, match=f"{LENGTH} of {LENGTH + 1} tokens"):
        run(crowd(TEXT, running.port, [], "lost", 2, LENGTH + 1, 20))


def test_the_model_sends_what_openai_would(model):
    tell(model, f"pace/{RATE:g}/{LENGTH}")
    connection = http.client.HTTPConnection("127.0.0.1", model, timeout=10)
    connection.request("POST", "/v1/chat/completions", json.dumps({"stream": True}))
    *events, done, rest = connection.getresponse().read().decode().split("\n\n")
    connection.close()
    chunks = [json.loads(event.removeprefix("data: "))["choices"][0] for event in events]
    assert (done, rest) == ("data: [DONE]", "")
    assert chunks[-1]["finish_reason"] == "stop"
    texts = [chunk["delta"]["content"] for chunk in chunks[:-1]]
    assert len(texts) == LENGTH == len(marks.MARK.findall("".join(texts).encode()))
    found = [marks.decoded(digits) for digits in marks.MARK.findall("".join(texts).encode())]
    assert all(marks.follows(later, earlier) for earlier, later in itertools.pairwise(found))


def test_marks_start_again_without_going_back():
    last = marks.TURN - 1
    assert marks.decoded(marks.encoded(last)) == last
    assert marks.decoded(marks.encoded(marks.TURN + 5)) == 5
    assert marks.follows(5, last)
    assert not marks.follows(last, 5)
    assert not marks.follows(5, 5)
    assert marks.seconds_between(last, 5) == pytest.approx(6 * marks.UNIT)
    assert marks.seconds_between(5, last) == 0  # the first is ahead


@pytest.mark.parametrize("dialect", [TEXT, HTML, PLAIN], ids=["text", "html", "plain"])
async def test_a_client_counts_each_token_once_wherever_the_reads_are_cut(dialect):
    now = marks.now()
    answer = b"".join(b'{"delta":"%%%b "}' % marks.encoded(now + step) for step in range(5))
    again = b"<p>%%%b %%%b</p>" % (marks.encoded(now + 3), marks.encoded(now + 4))
    sent = HANDSHAKE + answer + again + b"{" + dialect.end + b"}"
    for cut in range(len(HANDSHAKE), len(sent)):
        visitor, meter = opened(dialect)
        visitor.data_received(sent[:cut])
        visitor.data_received(sent[cut:])
        assert visitor.ended.result() == 5
        assert meter.tokens == 5
        assert len(meter.firsts) == 1


async def test_a_client_fails_with_what_the_server_said():
    visitor, _ = opened(TEXT)
    visitor.data_received(HANDSHAKE + b'{"type":"error","requestId":"r","errorText":"Too much."}')
    with pytest.raises(FailedError, match="Too much"):
        await visitor.ended
    refused, _ = opened(TEXT)
    refused.data_received(b"HTTP/1.1 403 Forbidden\r\n\r\n")
    with pytest.raises(FailedError, match="403"):
        await refused.ended


class NoTransport:
    def write(self, data): ...

    def abort(self): ...


def opened(dialect):
    """Return a client with a connection that goes nowhere, and its meter."""
    meter = Meter()
    visitor = Visitor(dialect, None, meter)
    visitor.connection_made(NoTransport())
    return visitor, meter


def reading(cost, length, streams=10, busy=0.5):
    return Reading(streams, length, cost * streams, busy, [0.02, 0.01], Latency(0.3, 0.9), Latency(0.004, 0.03))


def test_two_lengths_tell_a_turn_from_a_token():
    found = split(reading(0.025, 150), reading(0.055, 450))
    assert found == Split(pytest.approx(0.010), pytest.approx(0.0001))


def test_a_figure_is_a_median_with_its_extremes():
    assert Spread.of([3, 1, 2]) == Spread(2, 1, 3)
    assert figure([0.0123, 0.0119, 0.0131], 1e3) == "12.3 (11.9 to 13.1)"
    assert figure([1234.5]) == "1,234"
    assert figure([]) == "–"  # noqa: RUF001 - no figure
    assert ratio([1, 4, 3], [2, 2, 2]) == "1.50 (0.50 to 2.00)"
    assert ratio([1], []) == "–"  # noqa: RUF001 - no figure
    assert ratio([1, None, 3], [2, 2, 2]) == "1.00 (0.50 to 1.50)"  # a round left out is in neither
    assert quantile(range(100), 0.5) == 50
    assert quantile([1, 2], 0.99) == 2


@pytest.fixture
def bench():
    return Bench(None, 0, Cores(), float("inf"), 0.85, chosen=[SUBJECTS[name] for name in ("text", "plain", "bare")])


def found(turn, token):
    """Return one round of a server whose turn and token cost this many milliseconds and microseconds."""
    short, long = (turn / 1e3 + length * token / 1e6 for length in (150, 450))
    return Found([(reading(short, 150), reading(long, 450))])


def test_the_table_of_answers_has_both_parts_and_their_ratios(bench):
    cell = Cell(50, 50, 0, ("text", "plain", "bare"))
    table = cell_tables.answers(bench, cell, {"text": found(15, 90), "plain": found(12, 400), "bare": found(1, 60)})
    rows = {row[0]: row[1:] for row in table.rows}
    text = rows["this project, text format"]
    assert text == ["28.5", "0.40", "55.5", "0.29", "15.0", "1.25", "90.0", "0.23", "1.50"]
    assert rows["bare proxy"][-2:] == ["0.15", "1.00"]
    assert table.notes == [
        "A token costs the bare proxy 0.15 of what it costs the plain consumer: at most 0.2, so it counts as the floor."
    ]
    assert all(len(row) == len(table.header) for row in table.rows)


def test_latency_is_told_with_the_beginning_and_without(bench):
    cell = Cell(50, 50, 0)
    steady, whole = cell_tables.latencies(bench, [cell, cell], {cell: {"text": found(15, 90)}})
    assert steady.header == ["server", "50 x 50/s, p50, ms", "50 x 50/s, p99, ms"]
    assert steady.rows[0] == ["this project, text format", "4.00", "30.0"]
    assert whole.rows[0] == ["this project, text format", "900"]
    assert whole.rows[1][1] == "–"  # noqa: RUF001 - not measured


async def test_tokens_are_steady_when_all_clients_have_begun():
    meter = Meter(expected=2)
    visitors = [Visitor(PLAIN, None, meter) for _ in range(2)]
    for visitor in visitors:
        visitor.connection_made(NoTransport())
        visitor.data_received(HANDSHAKE)
    early, later = marks.encoded(marks.now()), marks.encoded(marks.now() + 1000)
    for visitor, mark in ((visitors[0], early), (visitors[1], early), (visitors[0], later)):
        visitor.data_received(b"%%%b " % mark)
    assert (len(meter.latencies), len(meter.steady)) == (3, 1)


@pytest.mark.parametrize(("bare", "counts"), [(79, True), (81, False)])
def test_the_bare_proxy_counts_only_if_it_is_lean(bare, counts):
    said = cell_tables.floor(found(12, 400), found(1, bare))
    assert ("so it counts as the floor" in said) is counts
    assert ("so it does not count as the floor" in said) is not counts


def test_a_figure_is_left_out_while_the_clients_are_too_busy(bench):
    assert not bench.too_busy(reading(1, 150, busy=0.84), "text at 50 x 50/s")
    assert bench.too_busy(reading(1, 150, busy=0.86), "text at 50 x 50/s")
    assert bench.left_out == ["text at 50 x 50/s"]


@pytest.mark.parametrize(("limit", "reached"), [(130, 125), (10, 10), (10_000, 800)])
async def test_the_most_streams_are_searched_by_doubling_and_halving(bench, monkeypatch, limit, reached):
    asked = []

    async def in_time(bench, crowd, streams):
        asked.append(streams)
        return streams <= limit, False

    monkeypatch.setattr(capacity, "_in_time", in_time)
    streams, open_ended = await capacity.search(bench, capacity.Crowd(SUBJECTS["bare"], None, 1.0))
    assert (streams, open_ended) == (reached, limit > capacity.MOST)
    assert len(asked) == len(set(asked)) <= 8


def test_the_page_says_what_was_left_out_and_what_was_not_measured():
    tables = [Table("Waiting", "Of what waits.", ("what", "figure"), [("a socket", "12 KiB")], ["A note."])]
    written = page(tables, 0.85, ["html at 500 x 50/s"], ["capacity"])
    assert "busier than 85%" in written
    assert "Left out in this run: html at 500 x 50/s." in written
    assert "something was missing: capacity." in written
    assert (
        "## Waiting\n\nOf what waits.\n\n| what | figure |\n|---|---:|\n| a socket | 12 KiB |\n\nA note.\n" in written
    )
    assert "In this run, none was left out." in page(tables, 0.85, [], [])
