"""CPU per delta and time to the first token for the text format, the html format and a bare proxy, in half a minute.

``make bench-quick``; ``python -m benchmarks.quick --streams 50 --rate 50 --seconds 6`` for other loads.
"""

import argparse
import asyncio
import statistics
import threading
import time

from .harness import chat_environment, cpu, crowd, sent, server, session_cookie, upstream

SETTLE = 1.5
"""Seconds after the start that are not measured, while the turns are stored and the streams begin."""


def measure(port, process, cookie, view, upstream_port, args, name):
    """Return the process's CPU per delta in microseconds, in steady state, and the median first-token time in ms."""
    firsts: list[float] = []
    load = threading.Thread(
        target=lambda: firsts.extend(asyncio.run(crowd(port, cookie, view, args.streams, name))), daemon=True
    )
    load.start()
    time.sleep(SETTLE)
    used, count = cpu(process), sent(upstream_port)
    time.sleep(args.seconds)
    used, count = cpu(process) - used, sent(upstream_port) - count
    load.join(60)
    assert len(firsts) == args.streams, "a stream did not end"
    return used / count * 1e6, statistics.median(firsts) * 1e3, count


def report(name, figures, base):
    per_delta, first, count = figures
    ratio = f"{per_delta / base:5.2f}" if base else "     "
    print(f"{name:12} {per_delta:8.1f} us per delta   x bare {ratio}   first token {first:7.1f} ms   ({count} deltas)")


def main():
    """Measure all three, one after the other, with one upstream."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--rate", type=float, default=50.0, help="deltas per second and stream")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each measurement")
    args = parser.parse_args()
    length = int(args.rate * (args.seconds + SETTLE + 1))
    print(f"{args.streams} streams of {args.rate:g} deltas/s, {args.seconds:g} s each")
    with upstream(args.rate, length) as upstream_port:
        with server("benchmarks.bare_proxy:app", UPSTREAM_PORT=str(upstream_port)) as (port, process):
            bare = measure(port, process, "", "text", upstream_port, args, "bare")
            report("bare proxy", bare, None)
        with (
            chat_environment(upstream_port) as environment,
            server("chatproject.asgi:application", **environment) as (port, process),
        ):
            cookie = session_cookie(port)
            time.sleep(SETTLE)  # a process imports the model's SDK when it starts
            for view in ("text", "html"):
                report(f"{view} format", measure(port, process, cookie, view, upstream_port, args, view), bare[0])


if __name__ == "__main__":
    main()
