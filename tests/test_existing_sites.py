"""The chat in an existing site: one of its real processes, on SQLite and on PostgreSQL."""

import contextlib
import json
import re
import socket
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from datetime import UTC, datetime, timedelta
from http.cookiejar import CookieJar

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.faults.services import postgres_server, wait_until
from tests.support.processes import ROOT, SiteProcess, site_environment
from tests.support.upstream import running_upstream

KEY = "k" * 100
LOGIN = "/app/accounts/login/"
FAIL = {
    "sqlite": (
        "CREATE TRIGGER half BEFORE INSERT ON llm_chat_message WHEN NEW.role = 'assistant'"
        " BEGIN SELECT RAISE(ABORT, 'half way'); END",
        "DROP TRIGGER half",
    ),
    "postgres": (
        "CREATE FUNCTION half() RETURNS trigger AS $$ BEGIN RAISE 'half way'; END $$ LANGUAGE plpgsql;"
        "CREATE TRIGGER half BEFORE INSERT ON llm_chat_message"
        " FOR EACH ROW WHEN (NEW.role = 'assistant') EXECUTE FUNCTION half()",
        "DROP TRIGGER half ON llm_chat_message; DROP FUNCTION half",
    ),
}
"""Makes each database refuse an answer after its question was stored, and undoes that."""


class ExistingSite(SiteProcess):
    """The process, a user who has signed in, and the database with the chat's tables."""

    def __init__(self, kind, environment, folder, database):
        super().__init__("existing", environment, folder / "server.log")
        self.kind = kind
        self.environment = environment
        self.folder = folder
        self._database = database
        self._jar = CookieJar()
        handlers = urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self._jar)
        self.opener = urllib.request.build_opener(*handlers)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def get(self, path):
        with self.opener.open(self.url + path) as response:
            return response.read().decode()

    def post(self, page, action, **fields):
        """Send the form of a page like a browser without scripts, and return the path it redirects to."""
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.get(page))[1]
        body = urllib.parse.urlencode({"csrfmiddlewaretoken": token, **fields}).encode()
        with self.opener.open(self.url + action, body) as response:
            return response.url.removeprefix(self.url)

    def socket(self, path="/app/ws/chat/", origin=None, cookie=None):
        cookie = "; ".join(f"{c.name}={c.value}" for c in self._jar) if cookie is None else cookie
        address = f"ws://127.0.0.1:{self.port}{path}"
        return connect(address, origin=origin or self.url, additional_headers={"Cookie": cookie}, proxy=None)

    def ask(self, text, chat, **more):
        """Ask on the socket, and return the last frame."""
        message = {"id": f"m-{chat}", "role": "user", "parts": [{"type": "text", "text": text}]}
        frame = {"type": "send", "requestId": "r", "id": chat, "trigger": "submit-message", "messages": [message]}
        with self.socket(**more) as socket:
            socket.send(json.dumps(frame))
            while True:
                frame = json.loads(socket.recv(20))
                if frame["requestId"] == "r" and frame["type"] != "chunk":
                    return frame

    def execute(self, statement):
        with self._database() as connection:
            connection.execute(statement)
            connection.commit()

    def rows(self, query):
        with self._database() as connection:
            return connection.execute(query).fetchall()


@contextlib.contextmanager
def databases(kind, folder):
    """Yield the variables that name two databases, and a function that connects to the chat's."""
    if kind == "sqlite":
        yield {}, lambda: contextlib.closing(sqlite3.connect(folder / "chat.sqlite3", timeout=20))
        return
    with postgres_server() as server:
        for name in ("site", "chat"):
            server.create(name)
        yield (
            {"DATABASE_URL": server.url("site"), "CHAT_DATABASE_URL": server.url("chat")},
            lambda: server.connect("chat"),
        )


MIGRATE = """
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("migrate", "llm_chat", database="chat", verbosity=0)
from tests.support.existing.people.models import Person
ann = Person(name="ann", key="{key}")
ann.set_password("pass")
ann.save()
"""


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def site(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("existing")
    with databases(request.param, folder) as (urls, database), running_upstream() as upstream:
        model = {"OPENAI_BASE_URL": upstream.url, "OPENAI_MODEL": "echo", "OPENAI_API_KEY": "k"}
        module = {"DJANGO_SETTINGS_MODULE": "tests.support.existing.settings"}
        environment = site_environment(folder, **module, **model, **urls)
        shell(environment, MIGRATE.format(key=KEY))
        site = ExistingSite(request.param, environment, folder, database)
        try:
            assert site.post(LOGIN, LOGIN, username="ann", password="pass") == "/app/chat/"
            yield site
        finally:
            site.close()


def shell(environment, code):
    """Run code in the site."""
    command = [sys.executable, "manage.py", "shell", "--no-imports", "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def messages(site, chat):
    query = "SELECT role, text FROM llm_chat_message m JOIN llm_chat_conversation c ON c.id = m.conversation_id"
    return site.rows(f"{query} WHERE c.uid = '{chat}' ORDER BY m.id")


def status_of(path):
    """Return the status of a page without following redirects."""
    handlers = urllib.request.ProxyHandler({}), NoRedirect()
    try:
        return urllib.request.build_opener(*handlers).open(path).status
    except urllib.error.HTTPError as error:
        return error.code


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args, **kwargs):
        return None


def refused(site, **more):
    """Return the status of a failed handshake, and what it added to the log."""
    before = len(site.log)
    with pytest.raises(InvalidStatus) as refusal, site.socket(**more):
        pass
    lines = site.log[before:].splitlines()
    return refusal.value.response.status_code, [line for line in lines if "handshake" in line or "Traceback" in line]


def test_e12_the_form_without_scripts_works_although_the_site_opens_transactions(site):
    assert site.post("/app/chat/form/", "/app/chat/form/", id="m1", text="By form?") == "/app/chat/form/"
    wait_until(lambda: "By form?" in messages(site, "form")[-1][1], "no answer")
    assert [role for role, _ in messages(site, "form")] == ["user", "assistant"]
    assert "By form?" in site.get("/app/chat/form/")


def test_b38_a_turn_that_fails_half_way_leaves_no_question(site):
    fail, mend = FAIL[site.kind]
    site.execute(fail)
    try:
        frame = site.ask("Half way?", "half")
    finally:
        site.execute(mend)
    assert (frame["type"], frame["code"]) == ("error", "storage")
    assert messages(site, "half") == []
    assert site.ask("Half way?", "half")["type"] == "end"
    assert [role for role, _ in messages(site, "half")] == ["user", "assistant"]


@pytest.mark.parametrize("site", ["sqlite"], indirect=True)
def test_b38_readiness_checks_the_database_of_the_chat(site):
    file, away = site.folder / "chat.sqlite3", site.folder / "away"
    assert status_of(f"{site.url}/app/readyz") == 200
    file.rename(away)
    file.mkdir()
    try:
        assert status_of(f"{site.url}/app/readyz") == 503
    finally:
        file.rmdir()
        away.rename(file)
    wait_until(lambda: status_of(f"{site.url}/app/readyz") == 200, "not ready again")


def test_b39_health_checks_need_no_login_and_pages_do(site):
    assert [status_of(f"{site.url}/app/{path}") for path in ("healthz", "readyz", "chat/")] == [200, 200, 302]


@pytest.mark.parametrize("prefix", ["/app", ""])
def test_e09_socket_and_page_are_found_with_and_without_the_prefix(site, prefix):
    assert 'path="/app/ws/chat/"' in site.get(f"{prefix}/chat/")
    assert site.ask("Where?", f"where{len(prefix)}", path=f"{prefix}/ws/chat/")["type"] == "end"


@pytest.mark.parametrize(
    ("handshake", "reason"),
    [
        ({"path": "/app/ws/none/"}, "for '/app/ws/none/' was refused: no websocket route of the site takes it"),
        ({"path": "/app/ws/" + "%0Ax" * 90}, "for '/app/ws/\\nx"),
        ({"origin": "http://evil.example"}, "the origin 'http://evil.example' is neither 'http://127.0.0.1:"),
    ],
)
def test_e09_a_refused_handshake_is_one_line_in_the_log_with_the_reason(site, handshake, reason):
    status, (line,) = refused(site, **handshake)
    assert status == 403
    assert " WARNING chat.origin: A websocket handshake " in line
    assert reason in line and len(line) < 400


def test_b40_a_socket_without_a_session_is_closed_with_a_code_and_logged(site):
    with site.socket(cookie="") as socket, pytest.raises(ConnectionClosed) as closed:
        socket.recv(20)
    assert closed.value.rcvd.code == 4401
    wait_until(lambda: "closed with 4401: its session has neither a user nor a visitor" in site.log, site.log)


@pytest.mark.parametrize("length", ["Content-Length: 300000000", "Transfer-Encoding: chunked"])
def test_a14_a_body_that_is_too_long_is_refused_before_it_has_arrived(site, length):
    head = f"POST /app/chat/c1/ HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\n{length}\r\n\r\n".encode()
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    with socket.create_connection(("127.0.0.1", site.port), timeout=20) as client:
        client.sendall(head)
        if "chunked" in length:
            client.sendall(chunk * 20)  # 1.3 MB, endless
        assert client.recv(12) == b"HTTP/1.1 413"


def test_e06_the_websockets_of_the_site_still_work(site):
    with site.socket(path="/app/echo/", origin="http://elsewhere.example") as socket:
        socket.send("Hello")
        assert socket.recv(20) == "Hello"


def test_e11_naive_times_are_shown_with_the_offset_of_the_sites_zone(site):
    assert site.ask("When?", "when")["type"] == "end"
    shown = re.findall(r'<time class="llm-chat-time" datetime="([^"]+)"', site.get("/app/chat/when/"))
    exported = json.loads(site.get("/app/chat/when/export.json"))
    for time in (*shown, exported["created"], *(message["created"] for message in exported["messages"])):
        moment = datetime.fromisoformat(time)
        assert moment.utcoffset() == timedelta(hours=5, minutes=45)
        assert abs(datetime.now(UTC) - moment) < timedelta(minutes=2)
    assert len(shown) == 2


def test_b41_a_user_with_a_long_key_owns_conversations(site):
    assert site.ask("Who am I?", "long")["type"] == "end"
    assert "Who am I?" in site.get("/app/chat/long/")
    ((owner, user),) = site.rows("SELECT owner, user_id FROM llm_chat_conversation WHERE uid = 'long'")
    assert len(owner) <= 80 and user == KEY


DELETE = """
from django.contrib import admin
from chat.models import Conversation
from tests.support.existing.people.models import Person
listed = admin.site.get_model_admin(Conversation).get_queryset(None)
assert {conversation.user.name for conversation in listed} == {"ann"}
Person.objects.all().delete()
"""


def test_b38_the_admin_names_users_of_another_database_and_their_conversations_are_deleted_with_them(site):
    assert site.ask("Will I stay?", "last")["type"] == "end"
    shell(site.environment, DELETE)
    assert site.rows("SELECT uid FROM llm_chat_conversation") == []


def test_e06_both_lifespans_run_and_that_of_the_site_encloses_that_of_the_chat(site):
    assert site.terminate() in (0, -15)
    events = re.findall(r"site: lifespan\.\w+|Application \w+ complete", site.log)
    assert events[-4:] == [
        "site: lifespan.startup",
        "Application startup complete",
        "site: lifespan.shutdown",
        "Application shutdown complete",
    ]
    assert site.rows("SELECT id FROM llm_chat_process") == []


def test_b38_the_check_names_the_setting_that_a_site_with_two_databases_needs(tmp_path):
    environment = site_environment(
        tmp_path, DJANGO_SETTINGS_MODULE="tests.support.existing.settings", USER_CONSTRAINT="true"
    )
    done = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert 'CHAT["USER_CONSTRAINT"] must be False' in done.stderr
