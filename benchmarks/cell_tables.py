"""The tables of the loads: whole answers, tokens, first tokens and latency."""

import statistics
from collections.abc import Sequence

from .bench import Bench
from .cells import CENTRE, CROWDS, MAIN, QUICK, RATES, Cell, Cells, Found, alone, measure_cell
from .measuring import Latency, quantile
from .report import NOTHING, Table, figure, ratio, ratios

FLOOR = 0.2
"""Share of the plain consumer's cost of a token up to which the bare proxy is lean enough to be compared with."""


def measure(bench: Bench) -> list[Table]:
    """Measure all loads, and return their tables."""
    rates, crowds = ((QUICK,), (QUICK,)) if bench.quick else (RATES, CROWDS)
    centre = QUICK if bench.quick else CENTRE
    cells = {cell: measure_cell(bench, cell) for cell in dict.fromkeys((centre, *rates, *crowds))}
    return [
        answers(bench, centre, cells[centre]),
        marginals(bench, rates, cells),
        whole_answers(bench, crowds, cells),
        first_tokens(bench, centre, cells[centre], alone(bench)),
        *latencies(bench, (*rates, *crowds), cells),
    ]


def answers(bench: Bench, cell: Cell, found: dict[str, Found]) -> Table:
    """Return the table of whole answers at the usual load, split into the cost of a turn and that of a token."""
    short, long = cell.lengths
    plain, bare = found.get("plain", Found()), found.get("bare", Found())
    header = ["server", f"{short} tokens, ms", "to plain", f"{long} tokens, ms", "to plain"]
    header += ["a turn, ms", "to plain", "a token, us", "to plain", "to bare"]
    table = Table(
        f"Whole answers: {cell.streams} streams of {cell.rate:g} tokens/s, begun at once",
        "CPU of one answer, and its two parts: what a turn costs with its handshake, and what each token adds. "
        '"To plain" is the ratio to the plain consumer on uvicorn.',
        header,
    )
    for subject in bench.subjects(*cell.subjects):
        own = found[subject.name]
        row = [subject.title]
        for place in range(2):
            row += [figure(own.costs(place), 1e3), ratio(own.costs(place), plain.costs(place))]
        row += [figure(own.fixed, 1e3), ratio(own.fixed, plain.fixed)]
        row += [figure(own.marginal, 1e6), ratio(own.marginal, plain.marginal), ratio(own.marginal, bare.marginal)]
        table.rows.append(row)
    table.notes.append(floor(plain, bare))
    return table


def floor(plain: Found, bare: Found) -> str:
    """Say whether the bare proxy is lean enough to be the floor."""
    shares = ratios(bare.marginal, plain.marginal)
    if not shares:
        return "The bare proxy could not be compared with the plain consumer in this run."
    share = f"A token costs the bare proxy {figure(shares)} of what it costs the plain consumer"
    if statistics.median(shares) <= FLOOR:
        return f"{share}: at most {FLOOR}, so it counts as the floor."
    return f"{share}: more than {FLOOR}, so it does not count as the floor in this run."


def marginals(bench: Bench, cells: Sequence[Cell], found: Cells) -> Table:
    """Return the cost of a token by rate."""
    header = ["server", *(title for cell in cells for title in (f"{cell.name}, us", "to plain", "to bare"))]
    table = Table("A token by rate", "CPU that one more token adds to an answer.", header)
    for subject in bench.subjects(*MAIN):
        row = [subject.title]
        for cell in cells:
            own, plain, bare = (found[cell].get(name, Found()) for name in (subject.name, "plain", "bare"))
            row += [_or_overloaded(own, figure(own.marginal, 1e6))]
            row += [ratio(own.marginal, plain.marginal), ratio(own.marginal, bare.marginal)]
        table.rows.append(row)
    return table


def whole_answers(bench: Bench, cells: Sequence[Cell], found: Cells) -> Table:
    """Return the cost of an answer by the number of streams."""
    header = ["server", *(title for cell in cells for title in (f"{cell.name}, ms", "to plain"))]
    table = Table("An answer by the number of streams", f"CPU of one answer of {cells[0].lengths[0]} tokens.", header)
    for subject in bench.subjects(*MAIN):
        row = [subject.title]
        for cell in cells:
            own, plain = (found[cell].get(name, Found()) for name in (subject.name, "plain"))
            row += [_or_overloaded(own, figure(own.costs(0), 1e3)), ratio(own.costs(0), plain.costs(0))]
        table.rows.append(row)
    return table


def first_tokens(bench: Bench, cell: Cell, found: dict[str, Found], single: dict[str, list[list[float]]]) -> Table:
    """Return the time to the first token, alone and in a crowd."""
    titles = ("p50, ms", "to plain", "p99, ms")
    header = ["server", *(f"{people}, {title}" for people in ("alone", f"{cell.streams} at once") for title in titles)]
    text = "From the first byte of a new connection to the first token, handshake included. The model sends it at once."
    table = Table("First token", text, header)
    for subject in bench.subjects():
        row = [subject.title]
        for quantiles in (
            _quantiles(single),
            {name: (own.firsts(0.5), own.firsts(0.99)) for name, own in found.items()},
        ):
            middle, last = quantiles.get(subject.name, ([], []))
            row += [figure(middle, 1e3), ratio(middle, quantiles.get("plain", ([], []))[0]), figure(last, 1e3)]
        table.rows.append(row)
    return table


def _quantiles(rounds: dict[str, list[list[float]]]) -> dict[str, tuple[list[float], list[float]]]:
    return {
        name: ([quantile(firsts, 0.5) for firsts in found], [quantile(firsts, 0.99) for firsts in found])
        for name, found in rounds.items()
    }


def latencies(bench: Bench, cells: Sequence[Cell], found: Cells) -> list[Table]:
    """Return the time from the model's send of a token to its receipt, with the beginning of the crowd and without."""
    cells = list(dict.fromkeys(cells))
    text = "From the model's send of a token to its receipt by the client, over the tokens of the longer answers that "
    titles = [f"{cell.name}, {share}, ms" for cell in cells for share in ("p50", "p99")]
    steady = Table("Latency", text + "are sent after all streams have begun.", ["server", *titles])
    titles = [f"{cell.name}, p99, ms" for cell in cells]
    whole = Table("Latency from the beginning", "The same over all tokens, while others begin.", ["server", *titles])
    for subject in bench.subjects(*MAIN):
        owns = [found[cell].get(subject.name, Found()) for cell in cells]
        shares = [figure(_of(own.steady, share), 1e3) for own in owns for share in ("p50", "p99")]
        steady.rows.append([subject.title, *shares])
        whole.rows.append([subject.title, *(figure(_of(own.latency, "p99"), 1e3) for own in owns)])
    return [steady, whole]


def _of(rounds: Sequence[Latency | None], share: str) -> list[float | None]:
    return [None if latency is None else getattr(latency, share) for latency in rounds]


def _or_overloaded(found: Found, shown: str) -> str:
    return "overloaded" if found.overloaded and shown == NOTHING else shown
