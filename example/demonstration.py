"""A scripted model for a shop without a real one: it knows a few questions, and calls the tools like a model would.

A scene gets the turn so far and returns what the model says and calls next. After the calls it is asked again, with
their results.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from chat.backends.base import Backend, Delta, Finished, Request, Text, ToolCall

Results = dict[str, Any]
Step = list[str | ToolCall]
Scene = Callable[["Turn"], Step]


class Demonstration(Backend):
    """Plays prepared answers.

    Args:
        pause: the time between two words, in seconds.
    """

    tools = True

    def __init__(self, pause: float = 0.04) -> None:
        self._pause = pause

    @property
    def model(self) -> str:
        return "scripted demonstration"

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        turn = turn_of(request.messages)
        await asyncio.sleep(10 * self._pause)
        for said in scene_of(turn.question)(turn):
            if isinstance(said, ToolCall):
                yield said
                continue
            for word in re.findall(r"\s*\S+\s*", said):
                yield Text(word)
                await asyncio.sleep(self._pause)
        yield Finished("stop")


@dataclass(frozen=True)
class Turn:
    """What the visitor asks, and what the tools have found out since.

    Attributes:
        question: the text of the last question.
        order: the number of the order that the conversation is about; empty without one.
        results: the results of this turn's calls by the names of their tools; a text says why a call failed.
    """

    question: str
    order: str
    results: Results


def turn_of(messages: list[dict[str, Any]]) -> Turn:
    """Read a turn from what a model gets."""
    asked = max((place for place, message in enumerate(messages) if message["role"] == "user"), default=0)
    told = " ".join(message["content"] for message in messages if message["role"] == "system")
    about = re.search(r"about order (\w+)", told)
    return Turn(messages[asked]["content"], about[1] if about else "", dict(_results(messages[asked + 1 :])))


def _results(messages: Iterable[dict[str, Any]]) -> Iterable[tuple[str, Any]]:
    names: dict[str, str] = {}
    for message in messages:
        for call in message.get("tool_calls", ()):
            names[call["id"]] = call["function"]["name"]
        if message["role"] == "tool":
            yield names[message["tool_call_id"]], _plain(message["content"])


def _plain(content: str) -> Any:
    """Return a result; one that is no JSON is a text, as are the reasons why a call failed."""
    try:
        return json.loads(content)
    except ValueError:
        return content


def call(tool: str, **arguments: Any) -> ToolCall:
    return ToolCall("", tool, json.dumps(arguments))


def orders(turn: Turn) -> Step:
    if "orders" not in turn.results:
        return ["Let me look at your orders. ", call("orders")]
    found = turn.results["orders"]
    if not isinstance(found, list):
        return [_sorry(found)]
    if not found:
        return ["You have not ordered anything yet."]
    lines = "\n".join(f"- **{each['number']}**, {each['total']} €, is {each['status']}" for each in found)
    return [f"These are your orders:\n\n{lines}\n\nShall I look for a parcel, or cancel an order that is still open?"]


def parcel(turn: Turn) -> Step:
    step = _with_order(turn, "sent", "No parcel is on its way to you.")
    if isinstance(step, list):
        return step
    if "parcel" not in turn.results:
        return [call("parcel", number=step)]
    found = turn.results["parcel"]
    if not isinstance(found, dict):
        return [_sorry(found)]
    return [
        f"The parcel of your order **{step}** is in **{found['place']}**. "
        f"It should be with you in {found['days_left']} days."
    ]


def cancel(turn: Turn) -> Step:
    step = _with_order(turn, "open", "You have no open order. One that is on its way can be sent back.")
    if isinstance(step, list):
        return step
    if "cancel" not in turn.results:
        return [f"I can cancel order {step} for you. ", call("cancel", number=step)]
    found = str(turn.results["cancel"])
    if "is cancelled" in found:
        return ["Done: your order is cancelled, and the money will be back on your account within three days."]
    if "declined" in found:
        return ["All right: your order stays as it is."]
    return [_sorry(found)]


def manual(turn: Turn) -> Step:
    if "manual" not in turn.results:
        return ["Let me look into the manual. ", call("manual", query=turn.question)]
    pages = turn.results["manual"]
    if not isinstance(pages, list) or not pages:
        return ["The manual has no page about that."]
    quoted = [f"**{page['title']}**{_reference(page)}: {page['excerpt']}" for page in pages[:2]]
    return ["This is what our manual says:\n\n" + "\n\n".join(quoted)]


def lost(turn: Turn) -> Step:
    return [
        "I am a scripted demonstration, so I only know a few questions: what you have ordered, where a parcel is, "
        "cancelling an order, and repairs such as adjusting the brakes or changing a tube."
    ]


SCENES: dict[str, Scene] = {
    r"\bcancel": cancel,
    r"\b(parcel|where|deliver\w* when|arrive)": parcel,
    r"\b(ordered|orders|bought)": orders,
    r"\b(how|adjust|brake|chain|tube|tyre|return|warranty|repair|clean)": manual,
}
"""The scenes by the words of a question; the first that fits is played."""


def scene_of(question: str) -> Scene:
    return next((scene for words, scene in SCENES.items() if re.search(words, question, re.IGNORECASE)), lost)


def _with_order(turn: Turn, status: str, otherwise: str) -> str | Step:
    """Return the number of the order that a turn is about, or how the model finds it out."""
    if turn.order:
        return turn.order
    if "orders" not in turn.results:
        return ["Let me look at your orders. ", call("orders", status=status)]
    found = turn.results["orders"]
    if not isinstance(found, list):
        return [_sorry(found)]
    return str(found[0]["number"]) if found else [otherwise]


def _reference(page: dict[str, Any]) -> str:
    return f" [{page['source']}]" if "source" in page else f" ([read more]({page['url']}))"


def _sorry(reason: Any) -> str:
    if "not signed in" in str(reason):
        return "I can only see your orders after you have [signed in](/sign-in/)."
    return f"That did not work: {reason}"
