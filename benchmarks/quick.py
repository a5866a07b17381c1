"""The cost of whole turns in the text and the html format, compared with a bare proxy, in less than a minute.

``make bench-quick``; ``python -m benchmarks.quick --streams 50 --rate 50`` for other loads. Each crowd asks at once,
for short answers and then for long ones. Two lengths tell the fixed cost of a turn, with its handshake, from the cost
of a token.
"""

import argparse
import statistics

from .harness import upstream
from .measuring import Reading, measure, split, warm_up
from .servers import SUBJECTS, Servers

LENGTHS = (75, 225)


def report(name: str, short: Reading, long: Reading, base: float | None) -> float:
    """Print the figures of a server, and return its cost of a token."""
    parts = split(short, long)
    ratio = f"{parts.marginal / base:5.2f}" if base else "     "
    first = statistics.median(short.firsts + long.firsts)
    print(
        f"{name:12} {parts.marginal * 1e6:7.1f} us per delta   x bare {ratio}   "
        f"{parts.fixed * 1e3:6.2f} ms per turn   first token {first * 1e3:6.1f} ms",
        flush=True,
    )
    return parts.marginal


def main() -> None:
    """Measure all three, one after the other, with one upstream."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--rate", type=float, default=50.0, help="deltas per second and stream")
    parser.add_argument("--lengths", type=int, nargs=2, default=LENGTHS, help="deltas of the short and the long answer")
    args = parser.parse_args()
    print(f"{args.streams} streams of {args.rate:g} deltas/s, whole turns, answers of {args.lengths} deltas")
    base = None
    with upstream(args.rate, args.lengths[0]) as port, Servers(port, visitors=args.streams) as servers:
        for name in ("bare", "text", "html"):
            subject = SUBJECTS[name]
            warm_up(servers, subject, port)
            with servers.only(subject.server) as running:
                crowds = [measure(subject, running, port, None, args.streams, args.rate, n) for n in args.lengths]
            marginal = report(subject.title.rpartition(", ")[2], *crowds, base)
            base = base or marginal


if __name__ == "__main__":
    main()
