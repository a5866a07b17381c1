"""A site made by ``django-admin startproject`` with the README's lines added, and a visitor of it."""

import contextlib
import itertools
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from email.message import Message
from http.cookiejar import CookieJar
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.response import addinfourl

from websockets.sync.client import ClientConnection, connect

from scripts.lease import hold

WAIT = 30.0
BLOCK = re.compile(r"^(\S[^\n]*):\n\n```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INSTALL = '\npython -m pip install "django-llm-chat['
FILE = re.compile(r"`(mysite/\S+)`")

_numbers = itertools.count(1)


class Instructions:
    """The README's instructions for adding the app to a site: the packages to install, the lines to add, how to start.

    ``additions`` has the lines to append to each file, by its path.
    """

    def __init__(self, readme: str) -> None:
        section = next(
            part for part in readme.split("\n## ") if re.search(r"^python -m pip install", part, re.MULTILINE)
        )
        install, *additions, template, start = BLOCK.findall(section)
        self.install: str = install[2]
        self.additions: dict[str, str] = {FILE.search(before)[1]: code for before, _, code in additions}
        self.template: str = template[2]
        self.start: list[str] = start[2].splitlines()
        self._production: str = re.search(r"^uvicorn mysite(?:.*\\\n)*.*", readme, re.MULTILINE)[0]

    @property
    def lines(self) -> list[str]:
        """Return all lines that a developer has to write."""
        text = "".join([self.install, *self.additions.values(), self.template])
        return [line for line in text.splitlines() if line]

    @property
    def production(self) -> list[str]:
        """Return the words of the command that serves the site with uvicorn."""
        return self._production.replace("\\\n", " ").split()

    @property
    def model(self) -> str:
        return re.search(r'"model": "(\S+?)"', self.additions["mysite/settings.py"])[1]


class Site:
    """A project made by ``startproject``, in an environment that contains only the wheel."""

    def __init__(self, python: str, path: Path, **environment: str) -> None:
        self._path = path
        self._log = path / "server.log"
        self._python = python
        own = {"PATH": os.environ["PATH"], "HOME": str(path), "PYTHONWARNINGS": "default"}
        self._environment = own | environment

    def run(self, *arguments: str) -> str:
        """Run Python in the project's folder, and return its output; it must not print any warning."""
        done = self._run(*arguments)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
        return done.stdout

    def succeed(self, *arguments: str) -> str:
        """Run Python in the project's folder, which must succeed, and return all that it prints."""
        done = self._run(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def fail(self, *arguments: str) -> str:
        """Run Python in the project's folder, which must fail, and return its error output."""
        done = self._run(*arguments)
        assert done.returncode == 1, done.stdout + done.stderr
        return done.stderr

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [self._python, *arguments]
        environment = self._environment
        return subprocess.run(command, cwd=self._path, env=environment, capture_output=True, text=True, timeout=WAIT)

    @property
    def log(self) -> str:
        """Return what the server that was started last has logged."""
        return self._log.read_text()

    @property
    def path(self) -> Path:
        """Return the folder of ``manage.py``."""
        return self._path

    def stored(self) -> list[tuple[str, str, str]]:
        """Return the messages in the site's database as role, status and text."""
        with contextlib.closing(sqlite3.connect(self._path / "db.sqlite3")) as database:
            return database.execute("SELECT role, status, text FROM llm_chat_message ORDER BY id").fetchall()

    def add(self, additions: dict[str, str]) -> None:
        """Append lines to files."""
        for name, lines in additions.items():
            file = self._path / name
            file.parent.mkdir(exist_ok=True)
            with file.open("a") as end:
                end.write(lines)

    def write(self, name: str, text: str) -> None:
        """Create or overwrite a file."""
        (self._path / name).write_text(text)

    @contextlib.contextmanager
    def served(self, *command: str) -> Iterator[str]:
        """Serve the site with a command that uses ``{port}``, and yield its URL; its log must have no complaints."""
        with contextlib.closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        with self._log.open("w") as log:
            arguments = [self._python, *(word.format(port=port) for word in command)]
            process = subprocess.Popen(arguments, cwd=self._path, env=self._environment, stdout=log, stderr=log)
        hold(process.pid)
        try:
            self._wait_for(process, port)
            yield f"http://127.0.0.1:{port}"
            process.send_signal(signal.SIGINT)
            assert process.wait(WAIT) == 0, self._log.read_text()
        finally:
            process.kill()
            process.wait()
        assert not re.search("traceback|warning|error", self._log.read_text(), re.IGNORECASE), self._log.read_text()

    @contextlib.contextmanager
    def beside(self, *command: str, ready: str) -> Iterator[None]:
        """Run another process of the site, which is ready when it has logged a text, and end it by SIGTERM."""
        file = self._path / "beside.log"
        with file.open("w") as log:
            arguments = [self._python, *command]
            process = subprocess.Popen(arguments, cwd=self._path, env=self._environment, stdout=log, stderr=log)
        hold(process.pid)
        try:
            deadline = time.monotonic() + WAIT
            while ready not in file.read_text():
                assert process.poll() is None and time.monotonic() < deadline, file.read_text()
                time.sleep(0.02)
            yield
            process.terminate()
            assert process.wait(WAIT) == 0, file.read_text()
        finally:
            process.kill()
            process.wait()
        assert not re.search("Traceback|ERROR", file.read_text()), file.read_text()

    def _wait_for(self, process: subprocess.Popen[bytes], port: int) -> None:
        deadline = time.monotonic() + WAIT
        while process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                return
            time.sleep(0.02)
        raise AssertionError(f"The server did not start:\n{self._log.read_text()}")


def chat_on(page: str) -> dict[str, str]:
    """Return the attributes of the chat on a page, and the ``path`` of its websocket."""
    (chat,) = re.findall(r"<llm-chat ([^>]*)>", page)
    (path,) = re.findall(r'<llm-chat-connection [^>]*path="([^"]+)"', page)
    return {**dict(re.findall(r'([\w-]+)="([^"]*)"', chat)), "path": path}


class Visitor:
    """A visitor with a cookie jar."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._jar = CookieJar()
        handlers = urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self._jar)
        self._opener = urllib.request.build_opener(*handlers)
        self._opener.addheaders += [("Accept", "text/html,*/*;q=0.8")]  # like a browser's

    def get(self, path: str) -> tuple[str, str]:
        """Return the media type and the text of a page; raises ``HTTPError`` if there is none."""
        with self._opener.open(self._url + path, timeout=WAIT) as response:
            return response.headers.get_content_type(), response.read().decode()

    def headers(self, path: str) -> tuple[Message, str]:
        """Return the headers and the text of a page."""
        with self._opener.open(self._url + path, timeout=WAIT) as response:
            return response.headers, response.read().decode()

    def roles_of(self, text: str, path: str) -> list[str]:
        """Return the roles of the messages with this text on a page, in order."""
        articles = re.findall(r"<article.*?</article>", self.get(path)[1], re.DOTALL)
        return [re.search(r'data-role="(\w+)"', article)[1] for article in articles if text in article]

    def ask(self, text: str, path: str) -> list[dict]:
        """Send a message to the page's conversation on its websocket, and return all frames up to the last."""
        return self.send(text, chat_on(self.get(path)[1]))

    def send(self, text: str, chat: dict[str, str]) -> list[dict]:
        """Send a message to a conversation, given the attributes of its element, and return all frames."""
        message = {"id": f"m{next(_numbers)}", "role": "user", "parts": [{"type": "text", "text": text}]}
        return self._request(chat, type="send", trigger="submit-message", messages=[message])

    def decide(self, path: str, call: str, approved: bool) -> list[dict]:
        """Allow or deny a call in the page's conversation, and return all frames."""
        return self._request(chat_on(self.get(path)[1]), type="decide", callId=call, approved=approved)

    def _request(self, chat: dict[str, str], **frame: Any) -> list[dict]:
        body = {"assistant": chat["assistant"], "about": chat.get("about", "")}
        with self.connected(chat["path"]) as websocket:
            websocket.send(json.dumps({"requestId": "r1", "id": chat["conversation"], "body": body, **frame}))
            frames = []
            while not frames or frames[-1]["type"] == "chunk":
                frame = json.loads(websocket.recv(WAIT))
                frames += [frame] if frame["requestId"] == "r1" else []
        return frames

    def sign_in(self, path: str, **fields: str) -> str:
        """Fill in the form of a page, and return the page that follows."""
        return self.post(path, path, **fields)

    def post(self, page: str, action: str, **fields: str) -> str:
        """Send a form of a page to its action, like a browser without scripts, and return the page that follows."""
        token = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', self.get(page)[1])[0]
        form = urlencode({"csrfmiddlewaretoken": token, **fields}).encode()
        with self._opener.open(self._url + action, form, timeout=WAIT) as response:
            return response.read().decode()

    def status_of_post(self, page: str, action: str, **fields: str) -> int:
        """Send a form as ``post`` does, and return the status of the response."""
        try:
            self.post(page, action, **fields)
        except HTTPError as error:
            return error.code
        return 200

    def connected(self, path: str, port: int = 0) -> ClientConnection:
        """Connect to a websocket of the site, like one of its pages.

        With a ``port``, another server has the websockets, as behind a proxy that passes on the host.
        """
        other = socket.create_connection(("127.0.0.1", port), WAIT) if port else None
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self._jar)
        address = self._url.replace("http", "ws", 1) + path
        headers = {"Cookie": cookies}
        connection = connect(address, origin=self._url, additional_headers=headers, proxy=None, sock=other)
        self._keep_cookies(connection.response.headers.get_all("Set-Cookie"))
        return connection

    def _keep_cookies(self, cookies: list[str]) -> None:
        """Keep the cookies of a handshake, as a browser does."""
        message = Message()
        for cookie in cookies:
            message["Set-Cookie"] = cookie
        self._jar.extract_cookies(addinfourl(BytesIO(), message, self._url), urllib.request.Request(self._url))
