"""The visitors of one test, and the site that answers them."""

from typing import Unpack

from ..assistants.discovery import DEFAULT
from ..backends.scripted import Script
from .server import Server
from .visitor import Options, Visitor, check_database


class Visitors:
    """Makes visitors, and starts the site with the first one. Call ``close`` at the end of the test.

    Args:
        script: the one by which the test plays the model; it is named in the messages of failed tests.
    """

    def __init__(self, script: Script | None = None) -> None:
        self._script = script
        self._visitors: list[Visitor] = []
        self._server: Server | None = None

    def __call__(self, assistant: str = DEFAULT, **options: Unpack[Options]) -> Visitor:
        """Return a new visitor: a new browser. Two of one ``user`` see the same conversations.

        Args:
            assistant: the name of the assistant.
            **options: ``user``, ``about``, ``conversation`` and ``language``, as ``Options`` describes them.

        Raises:
            ImproperlyConfigured: the site has no ``ASGI_APPLICATION``, or its threads cannot see the test's rows.
        """
        check_database()
        if self._server is None:
            self._server = Server()
        visitor = Visitor(self._server, assistant, script=self._script, **options)
        self._visitors.append(visitor)
        return visitor

    def close(self) -> None:
        """Let all visitors leave, and stop the site: answers that are running end as interrupted."""
        try:
            for visitor in self._visitors:
                visitor.close()
        finally:
            self._visitors.clear()
            if self._server is not None:
                self._server.stop()
                self._server = None
