"""CPU per delta of streams that two processes share through Redis, compared with one process and streams in memory.

``make bench-shared``; ``python -m benchmarks.shared --streams 50 --rate 50 --seconds 6`` for other loads. Every answer
is asked for on one process and followed by one reader: on the same process, with the stream in memory, or on a second
process, with Redis. The budget is twice the CPU for both processes together, without that of Redis.
"""

import argparse
import asyncio
import contextlib
import json
import threading
import time

from tests.faults.services import redis_server

from .harness import SETTLE, chat_environment, cpu, sent, server, session_cookie, socket_to, upstream


async def follow(asked: int, read: int, cookie: str, view: str, name: str) -> None:
    """Ask on one process, disconnect, and read the answer to its end on another process."""
    user = {"id": f"m-{name}", "role": "user", "parts": [{"type": "text", "text": "Why is the sky blue?"}]}
    frame = {"requestId": "r", "id": name, "headers": {}, "body": {"view": view}}
    async with socket_to(asked, cookie) as websocket:
        await websocket.send(
            json.dumps({**frame, "type": "send", "trigger": "submit-message", "messages": [user], "body": {}})
        )
        async for message in websocket:
            if '"text-delta"' in message:
                break
    async with socket_to(read, cookie) as websocket:
        await websocket.send(json.dumps({**frame, "type": "resume"}))
        async for message in websocket:
            assert '"no-active"' not in message and '"type":"error"' not in message, message
            if message.startswith('{"type":"end"'):
                return


async def crowd(asked: int, read: int, cookie: str, view: str, streams: int) -> None:
    """Run ``streams`` answers at once, each with a reader."""
    await asyncio.gather(*(follow(asked, read, cookie, view, f"{view}-{number}") for number in range(streams)))


def measure(ports, processes, cookie, view, upstream_port, args):
    """Return the CPU per delta of all processes together, in microseconds and in steady state."""
    ended: list[bool] = []
    load = threading.Thread(
        target=lambda: ended.append(asyncio.run(crowd(*ports, cookie, view, args.streams)) is None), daemon=True
    )
    load.start()
    time.sleep(SETTLE + 1)
    used, count = sum(map(cpu, processes)), sent(upstream_port)
    time.sleep(args.seconds)
    used, count = sum(map(cpu, processes)) - used, sent(upstream_port) - count
    load.join(60)
    assert ended, "a reader did not reach the end"
    return used / count * 1e6


def main():
    """Measure both formats with each kind of stream, one after the other, with one upstream."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--rate", type=float, default=50.0, help="deltas per second and stream")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each measurement")
    args = parser.parse_args()
    print(f"{args.streams} answers of {args.rate:g} deltas/s with a reader each, {args.seconds:g} s each")
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(upstream(args.rate, int(args.rate * (args.seconds + SETTLE + 3))))
        base = {}
        for kind in ("memory", "redis"):
            with contextlib.ExitStack() as servers:
                environment = servers.enter_context(chat_environment(port))
                if kind == "redis":
                    environment["REDIS_URL"] = servers.enter_context(redis_server()).url
                sites = [
                    servers.enter_context(server("chatproject.asgi:application", **environment))
                    for _ in range(1 if kind == "memory" else 2)
                ]
                ports = (sites[0][0], sites[-1][0])
                cookie = session_cookie(ports[0])
                time.sleep(SETTLE)  # a process imports the model's SDK when it starts
                for view in ("text", "html"):
                    used = measure(ports, [process for _, process in sites], cookie, view, port, args)
                    base.setdefault(view, used)
                    print(f"{kind:8} {view} format {used:8.1f} us per delta   x memory {used / base[view]:5.2f}")


if __name__ == "__main__":
    main()
