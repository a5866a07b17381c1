"""Renders one text in a process of its own, on a thread with a small stack."""

import os
import re
import select
import signal
import threading
from collections import Counter
from dataclasses import dataclass
from html import unescape
from time import thread_time
from urllib.parse import unquote

import msgspec

from chat.html.markdown import engine as markdown
from chat.html.markdown import render
from chat.html.markdown.limits import TooLargeError
from chat.html.markdown.plain import printable
from tests.html.markdown.page import needed, show

STACK = 256 * 1024
"""Size of the thread's stack in bytes; musl gives a thread 128 KB, glibc 8 MB."""

LONGEST = 20.0
"""Seconds after which a process is killed."""

_LABEL = re.compile(r"(?<=\])\[[^\[\]]+\]")
"""The label of a reference, which a link hides if the label is defined; each of several in a row may be one."""


@dataclass(frozen=True)
class Outcome:
    """The result for a text: ``died`` says how its process ended, if it did; times are seconds of CPU time."""

    died: str = ""
    engine: float = 0.0
    whole: float = 0.0
    plain: bool = False
    lost: str = ""


def outcome(text: str) -> Outcome:
    """Render a text in a forked process, with a stack of ``STACK`` bytes."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        _be_the_child(text, reading, writing)
    os.close(writing)
    ready, _, _ = select.select([reading], [], [], LONGEST)
    if not ready:
        os.kill(child, signal.SIGKILL)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    if not said or os.waitstatus_to_exitcode(status):
        return Outcome(died=f"exit code {os.waitstatus_to_exitcode(status)}" if ready else f"over {LONGEST:g} s")
    return msgspec.json.decode(said, type=Outcome)


def _be_the_child(text: str, reading: int, writing: int) -> None:
    """Render in the child and never return, so that nothing which the parent does at its exit is done here too."""
    code = 1
    try:
        os.close(reading)
        found: list[Outcome] = []
        threading.stack_size(STACK)
        thread = threading.Thread(target=lambda: found.append(_rendered(text)))
        thread.start()
        thread.join()
        if found:
            os.write(writing, msgspec.json.encode(found[0]))
            code = 0
    finally:
        os._exit(code)


def _rendered(text: str) -> Outcome:
    began = thread_time()
    plain = False
    try:
        markdown.to_html(printable(text).rstrip())
    except TooLargeError:
        plain = True
    engine = thread_time() - began
    began = thread_time()
    blocks = render(text)
    whole = thread_time() - began
    plain = plain or (bool(blocks) and all(block.startswith('<p class="llm-chat-plain">') for block in blocks))
    return Outcome(engine=engine, whole=whole, plain=plain, lost=_lost(text, blocks))


def _lost(text: str, blocks: tuple[str, ...]) -> str:
    """Return the letters that a visitor cannot see, each once."""
    shown = show(blocks).shown
    wanted = needed(_LABEL.sub("", text) if "]:" in text else text)
    lost = wanted - (Counter(unescape(unquote(shown))) | Counter(unquote(shown)))
    return "".join(sorted(character for character in lost if character.isalpha()))
