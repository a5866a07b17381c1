"""The cost of a turn with one message of history and with a hundred, which must be almost the same.

``python -m benchmarks.history``. Measures the CPU of the whole server process, including its database threads.
"""

import argparse
import asyncio
import os
import statistics

from .harness import ROOT, ask, chat_environment, cpu, server, session_cookie, socket_to, upstream

LENGTHS = (1, 100)


def seed(cookie, names):
    """Store conversations of the visitor with the given numbers of messages."""
    import django

    django.setup()
    from django.conf import settings
    from django.contrib.sessions.backends.db import SessionStore
    from django.utils import timezone

    from chat.models import Conversation, Message
    from chat.owners import VISITOR

    session = SessionStore(cookie.removeprefix(f"{settings.SESSION_COOKIE_NAME}="))
    for name, length in names:
        conversation = Conversation.objects.create(
            owner=f"visitor:{session[VISITOR]}", uid=name, title=name, updated_at=timezone.now()
        )
        parent = None
        for number in range(length):
            role = "user" if number % 2 == 0 else "assistant"
            text = f"Message {number} of a conversation. " * 8
            parts = [{"type": "text", "text": text}]
            parent = Message.objects.create(
                conversation=conversation, uid=f"h{number}", role=role, text=text, parts=parts, parent=parent
            )
        Conversation.objects.filter(pk=conversation.pk).update(tip=parent)


async def turns(port, cookie, process, view, names):
    """Return the CPU time of each complete turn, in milliseconds."""
    costs = []
    async with socket_to(port, cookie) as websocket:
        for name in names:
            before = cpu(process)
            await ask(websocket, name, view)
            costs.append((cpu(process) - before) * 1e3)
    return costs


def main():
    """Alternate between short and long histories, so that both are measured under the same load of the machine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=60, help="turns for each length and format")
    args = parser.parse_args()
    with upstream(1000, 3) as upstream_port, chat_environment(upstream_port) as environment:
        os.environ.update(environment)
        os.chdir(ROOT)
        with server("chatproject.asgi:application", **environment) as (port, process):
            cookie = session_cookie(port)
            for view in ("text", "html"):
                names = [(f"{view}-{length}-{i}", length) for i in range(args.turns + 5) for length in LENGTHS]
                seed(cookie, names)
                costs = asyncio.run(turns(port, cookie, process, view, [name for name, _ in names]))[10:]
                short, long = (statistics.mean(costs[i::2]) for i in range(2))
                print(f"{view}   1 message {short:6.2f} ms   100 messages {long:6.2f} ms   ratio {long / short:5.2f}")


if __name__ == "__main__":
    main()
