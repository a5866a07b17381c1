"""A visitor in verbs, who talks to the site over its websocket, without a browser and without a network."""

import secrets
import threading
from collections.abc import Callable
from typing import Any, Self, TypedDict, Unpack

from django.core.exceptions import ImproperlyConfigured
from django.db.models import Model
from django.test import Client

from ..assistants.about import signed, subject_of, uid_of
from ..assistants.discovery import DEFAULT
from ..backends.scripted import Script
from ..conf import conf
from ..db.answers import last_answer
from ..db.threads import hidden_by, in_database
from ..models import Message, ToolCall
from ..owners import VISITOR, Owner, key_of
from .calls import listed
from .heard import Heard
from .server import WAIT, Server
from .socket import Socket

ASKED = "asked"
"""The state of a call that waits for a decision."""


class Options(TypedDict, total=False):
    """What a visitor may be made with, apart from the assistant.

    Attributes:
        user: the visitor's account; ``None`` for a visitor without one.
        about: the object that the conversation is about, as in ``{% chat "support" about=order %}``.
        conversation: the conversation's id; empty for the one that the tag shows.
        language: the language of the visitor's page; empty for the site's own.
    """

    user: Any
    about: Model | None
    conversation: str
    language: str


class Visitor:
    """A visitor in front of one conversation. Each verb returns the visitor, so that verbs can be chained.

    A verb blocks the test's thread until the site has done its part; the site runs on an event loop of its own. So the
    same verbs work in a test that is a coroutine.

    Args:
        server: serves the site; ``Visitors`` starts one.
        assistant: the name of the assistant.
        script: named in the messages of failed tests, if the model waits for it.
        **options: ``user``, ``about``, ``conversation`` and ``language``, as ``Options`` describes them.

    Raises:
        ImproperlyConfigured: the site's threads cannot see what the test stores.
    """

    def __init__(
        self,
        server: Server,
        assistant: str = DEFAULT,
        *,
        script: Script | None = None,
        **options: Unpack[Options],
    ) -> None:
        check_database()
        subject = subject_of(assistant, options.get("about"))
        self.conversation = options.get("conversation") or uid_of(subject)
        """The id of the conversation."""
        self._server = server
        self._script = script
        self._changed = threading.Condition()
        self._heard = Heard(ended=True)
        self._request = ""
        self._lost = ""
        self._cookies, self.owner = server.run(in_database(_arrived, options.get("user")))
        reference = signed(subject, self.owner.digest)
        self._body = {"assistant": assistant, "about": reference, "language": options.get("language", "")}
        self._socket = self._connected()

    @property
    def text(self) -> str:
        """Return the text of the last answer so far, without its reasoning."""
        return self._heard.text

    @property
    def chunks(self) -> list[dict[str, Any]]:
        """Return the chunks that have answered the last request, as the AI SDK gets them."""
        return self._heard.chunks

    @property
    def answer(self) -> Message | None:
        """Return the last answer as the database has it; ``None`` without one."""
        return self._server.run(in_database(last_answer, self.owner, self.conversation))

    @property
    def calls(self) -> list[ToolCall]:
        """Return the calls of tools in the conversation, the oldest first."""
        return self._server.run(in_database(_calls_of, self.owner, self.conversation))

    def ask(self, text: str) -> Self:
        """Ask a question, and wait until the site has stored or refused it."""
        message = {"id": secrets.token_hex(8), "role": "user", "parts": [{"type": "text", "text": text}]}
        return self._send("send", Heard(), trigger="submit-message", messages=[message])

    def stop_after(self, count: int) -> Self:
        """Stop the answer when this many pieces of its text have come, and wait for its end.

        Each text of ``Script.will_say`` is a piece. Those that ``Reply.say`` sends within a tick come as one.
        """
        self._wait(lambda: self._heard.over or len(self._heard.texts) >= count)
        if len(self._heard.texts) < count:
            raise self._failure(f"{count} pieces of text before the answer ends")
        self._socket.send({"type": "abort", "requestId": self._request})
        return self._wait(lambda: self._heard.over)

    def reload(self) -> Self:
        """Load the page again: with another socket, get what is stored, and follow an answer that is running."""
        self._socket.close()
        self._lost = ""
        self._socket = self._connected()
        answer = self.answer
        if answer is not None and answer.status == Message.Status.RUNNING:
            return self._send("resume", Heard())
        self._heard = Heard(answer.text if answer else "", ended=True)
        return self

    def decide(self, approved: bool, tool: str = "", *, reason: str = "") -> Self:
        """Allow or deny the call that waits for the visitor's decision, and follow the answer as it goes on.

        Args:
            approved: whether the call is allowed.
            tool: the name of the tool, where several calls wait.
            reason: why it is denied, which the model reads.

        Raises:
            AssertionError: not exactly one call waits.
        """
        self._wait(lambda: self._heard.over)
        calls = self.calls
        asked = [call for call in calls if call.state == ASKED and tool in ("", call.name)]
        if len(asked) != 1:
            which = f"of {tool!r} " if tool else ""
            raise AssertionError(f"Expected one call {which}that waits for a decision. Got: {listed(calls)}.")
        decision = {"callId": asked[0].uid, "approved": approved, **({"reason": reason} if reason else {})}
        return self._send("decide", Heard(self.text), **decision)

    def expect_text(self, text: str) -> Self:
        """Wait until the answer contains a text. Raises ``AssertionError`` if it ends without it."""
        self._wait(lambda: self._heard.over or text in self.text)
        if text not in self.text:
            raise self._failure(f"an answer with {text!r}")
        return self

    def expect_status(self, status: str = "complete") -> Self:
        """Wait until the answer has ended, and check how: ``complete``, ``stopped``, ``failed``, ...

        Raises ``AssertionError`` if it ends otherwise.
        """
        self._wait(lambda: self._heard.over)
        answer = self.answer
        found = answer.status if answer is not None and not self._heard.refused else "no answer"
        if found != status:
            raise self._failure(f"an answer with the status {status!r}, not {str(found)!r}")
        return self

    def expect_refused(self, code: str) -> Self:
        """Wait until the last request is refused with a code, such as ``forbidden``.

        Raises ``AssertionError`` if it is not.
        """
        self._wait(lambda: self._heard.over or bool(self._heard.chunks))
        if self._heard.refused != code:
            raise self._failure(f"a request that is refused as {code!r}")
        return self

    def close(self) -> None:
        """Leave. An answer that is running continues."""
        self._socket.close()

    def _connected(self) -> Socket:
        return Socket(self._server, conf.script_name + conf.socket_path, self._cookies, self._take, self._lose)

    def _send(self, kind: str, heard: Heard, **more: Any) -> Self:
        """Send a request, and wait for the first frame of the reply."""
        self._heard, self._request = heard, f"r{secrets.token_hex(4)}"
        frame = {"type": kind, "requestId": self._request, "id": self.conversation, "headers": {}, "body": self._body}
        self._socket.send({**frame, **more})
        return self._wait(lambda: self._heard.begun)

    def _take(self, frame: dict[str, Any]) -> None:
        with self._changed:
            if frame["requestId"] == self._request:
                self._heard.frames.append(frame)
                self._changed.notify_all()

    def _lose(self, why: str) -> None:
        with self._changed:
            self._lost = self._lost or why
            self._changed.notify_all()

    def _wait(self, condition: Callable[[], bool]) -> Self:
        """Wait for a condition. Raises ``AssertionError`` if the site does not bring it about."""
        with self._changed:
            self._changed.wait_for(lambda: condition() or bool(self._lost), WAIT)
            if condition():
                return self
        raise self._failure("an open websocket" if self._lost else f"more from the site within {WAIT:g} s")

    def _failure(self, expected: str) -> AssertionError:
        waiting = self._script is not None and self._script.waiting and not self._heard.over
        hint = " The model waits for its reply: plan it by will_say, or play it by next_reply." if waiting else ""
        lost = f" ({self._lost})" if self._lost else ""
        return AssertionError(f"Expected {expected}. Got: {self._heard}{lost}.{hint}")


def check_database() -> None:
    """Raise ``ImproperlyConfigured`` if the site's threads cannot see what this thread stores."""
    if hidden := hidden_by():
        raise ImproperlyConfigured(
            f"A visitor's site answers on other threads, which cannot see what the test stores in {hidden}. Expected "
            "TransactionTestCase or pytest's transactional_db, and a database that is no SQLite database in memory: "
            'give the one in DATABASES a file, as "TEST": {"NAME": BASE_DIR / "test.sqlite3"}.'
        )


def _arrived(user: Any) -> tuple[dict[str, str], Owner]:
    """Sign a user in, if there is one; return the cookies of the browser, and the owner of its conversations."""
    if user is None:
        return _anonymous()
    client = Client()
    client.force_login(user)
    return {name: cookie.value for name, cookie in client.cookies.items()}, Owner(key_of(user.pk), user.pk)


def _anonymous() -> tuple[dict[str, str], Owner]:
    session = conf.session_store()
    session[VISITOR] = secrets.token_urlsafe(24)
    session.save()
    return {conf.session_cookie: str(session.session_key)}, Owner(f"visitor:{session[VISITOR]}")


def _calls_of(owner: Owner, uid: str) -> list[ToolCall]:
    conversations = owner.conversations.filter(uid=uid)
    return list(ToolCall.objects.filter(message__conversation__in=conversations).order_by("pk"))
