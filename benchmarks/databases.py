"""The cost of answers with SQLite and with PostgreSQL."""

import dataclasses

from .bench import Bench
from .cells import LENGTHS, Found
from .report import Table, figure, ratio
from .servers import SUBJECTS, Subject
from .services import postgres

STREAMS, RATE, ROUNDS, SECONDS = 50, 50.0, 3, 110.0


def measure(bench: Bench) -> list[Table]:
    """Measure both formats on both databases, and return the table."""
    text = f"CPU of the site's process for one answer, {STREAMS} streams of {RATE:g} tokens/s begun at once."
    header = ("format and database", f"{LENGTHS[0]} tokens, ms", f"{LENGTHS[1]} tokens, ms", "a turn, ms", "to SQLite")
    table = Table("SQLite and PostgreSQL", text, header)
    try:
        with postgres(bench.cores.others) as url, bench.servers.changed("postgres", "site", DATABASE_URL=url) as server:
            found = _rounds(bench, server)
    except ImportError:
        bench.unmeasured.append("PostgreSQL")
        return []
    for (name, database), own in found.items():
        fixed = ratio(own.fixed, found[name, "SQLite"].fixed)
        costs = [figure(own.costs(place), 1e3) for place in range(2)]
        table.rows.append((f"{name} format, {database}", *costs, figure(own.fixed, 1e3), fixed))
    return [table]


def _rounds(bench: Bench, postgres_server: str) -> dict[tuple[str, str], Found]:
    databases = {"SQLite": "site", "PostgreSQL": postgres_server}
    found = {(name, database): Found() for name in ("text", "html") for database in databases}
    until = bench.until(SECONDS)
    for _ in range(ROUNDS):
        for (name, database), own in found.items():
            subject = dataclasses.replace(SUBJECTS[name], name=f"{name} {database}", server=databases[database])
            _round(bench, subject, own)
        if bench.quick or bench.until(SECONDS / ROUNDS) >= until:
            break
    return found


def _round(bench: Bench, subject: Subject, own: Found) -> None:
    streams, rate, lengths = (3, 200.0, (20, 60)) if bench.quick else (STREAMS, RATE, LENGTHS)
    found = [bench.read(subject, streams, rate, length) for length in lengths]
    readings = tuple(reading for reading in found if reading is not None)
    own.rounds.append(None if any(bench.too_busy(reading, subject.name) for reading in readings) else readings)
