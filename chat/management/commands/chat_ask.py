"""``manage.py chat_ask``: asks an assistant from the command line."""

import asyncio
import json
from argparse import ArgumentParser
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db.models import Model

from ...answer import Answer
from ...api import astream
from ...errors import ChatRefused, sentence

INTERRUPTED = 130
"""The exit code of a command that Ctrl-C has ended: 128 and the number of the signal, as shells expect it."""


class Command(BaseCommand):
    """Asks an assistant and prints its answer as it grows."""

    help = (
        "Asks an assistant, and prints its answer as it grows. The exit code is 0 if the answer is complete, and 1 if "
        "the question was refused or the answer has ended otherwise. Ctrl-C stops the answer."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the arguments of the Python API."""
        parser.add_argument("assistant", help="name of the assistant")
        parser.add_argument("text", help="the question")
        parser.add_argument("--user", help="name of the user whose conversation it is; without, it is in nobody's list")
        parser.add_argument("--about", metavar="APP.MODEL:KEY", help="object that the conversation is about")
        parser.add_argument("--conversation", metavar="UID", help="conversation to continue")
        parser.add_argument("--language", default="", help="language code for the assistant, such as de")
        parser.add_argument("--timeout", type=float, metavar="SECONDS", help="cut the answer after this time")
        parser.add_argument("--json", action="store_true", help="print the answer as JSON when it has ended")
        parser.add_argument("--no-keep", action="store_false", dest="keep", help="delete the conversation afterwards")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask, and print the answer. Raises ``CommandError`` unless the answer is complete."""
        asked = {name: options[name] for name in ("conversation", "language", "keep", "timeout")}
        asked["user"] = _user(options["user"]) if options["user"] is not None else None
        asked["about"] = _object(options["about"]) if options["about"] is not None else None
        as_json = options["json"]
        try:
            answer = asyncio.run(self._ask(options["assistant"], options["text"], asked, as_json=as_json))
        except (ChatRefused, ValueError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("The answer was stopped.", returncode=INTERRUPTED) from None
        if as_json:
            self.stdout.write(json.dumps(asdict(answer), ensure_ascii=False, indent=2))
        if answer.status != "complete":
            raise CommandError(f"The answer is {answer.status}. {_more(answer)}".strip())

    async def _ask(self, assistant: str, text: str, asked: dict[str, Any], *, as_json: bool) -> Answer:
        """Print the answer as it grows, unless it is to be JSON, and return it."""
        answer = Answer("interrupted", "")
        async with aclosing(astream(assistant, text, **asked)) as stream:
            async for piece in stream:
                if isinstance(piece, Answer):
                    answer = piece
                elif not as_json:
                    self.stdout.write(piece, ending="")
                    self.stdout.flush()
        if answer.text and not as_json:
            self.stdout.write("")
        return answer


def _more(answer: Answer) -> str:
    """Say why an answer is not complete, or where its user can decide."""
    if answer.status == "waiting" and answer.conversation:
        return f"A decision is to be made in the conversation {answer.conversation}."
    return sentence(answer.error)


def _user(name: str) -> Any:
    """Return the user of a name, as in the login. Raises ``CommandError`` if there is none."""
    model = get_user_model()
    try:
        return model._default_manager.get_by_natural_key(name)
    except model.DoesNotExist:
        field = model.USERNAME_FIELD
        raise CommandError(f'There is no user whose {field} is "{name}".') from None


def _object(named: str) -> Model:
    """Return the object that ``app.Model:key`` names. Raises ``CommandError`` if there is none."""
    label, _, key = named.partition(":")
    try:
        model = apps.get_model(label)
    except (LookupError, ValueError):
        raise CommandError(f'--about must be like "shop.Order:7", with a model of this site, got "{named}".') from None
    try:
        found: Model = model._default_manager.get(pk=key)
    except (ObjectDoesNotExist, ValueError, ValidationError):
        raise CommandError(f'There is no {model._meta.verbose_name} with the key "{key}".') from None
    return found
