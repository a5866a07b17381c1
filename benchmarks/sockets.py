"""Memory of an open, silent socket, and CPU of many: ``python -m benchmarks.sockets --sockets 2000``."""

import argparse
import asyncio
import contextlib
import resource
import time

from .harness import chat_environment, cpu, server, session_cookie, socket_to, upstream

ROUNDS = 8
"""The number of rounds in which sockets are opened; the first warms the process up and does not count."""


async def hold(port, process, cookie, sockets, seconds):
    """Open the sockets, each for a new visitor, and return bytes and CPU seconds per second of one silent socket."""
    async with contextlib.AsyncExitStack() as stack:
        step = sockets // ROUNDS
        for _ in range(ROUNDS):
            await asyncio.gather(*(stack.enter_async_context(socket_to(port, cookie)) for _ in range(step)))
            if _ == 0:
                await asyncio.sleep(1)
                began = process.memory_info().rss
        await asyncio.sleep(1)
        grown = process.memory_info().rss - began
        used, at = cpu(process), time.monotonic()
        await asyncio.sleep(seconds)
        return grown / (step * (ROUNDS - 1)), (cpu(process) - used) / (time.monotonic() - at)


def main():
    """Hold the sockets, and print what they cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sockets", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=30.0, help="how long they are held; pings come every 20 s")
    args = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    with (
        upstream(1, 1) as model,
        chat_environment(model) as environment,
        server("chatproject.asgi:application", **environment) as (port, process),
    ):
        cookie = session_cookie(port)
        size, load = asyncio.run(hold(port, process, cookie, args.sockets, args.seconds))
    print(f"{args.sockets} silent sockets: {size / 1024:.1f} KB each, {load:.1%} of a core for all")


if __name__ == "__main__":
    main()
