"""The site around the app: settings from the environment, refused values, and headers of its pages."""

import contextlib
import runpy
import sqlite3
import threading
from pathlib import Path

import pytest
from asgiref.testing import ApplicationCommunicator
from django.contrib.staticfiles import finders
from django.core.exceptions import ImproperlyConfigured

from chat.conf import Conf
from chatproject import environment
from chatproject.sqlite import PrivateFile
from chatproject.static_files import with_static_files

VARIABLES = (
    *("ALLOWED_HOSTS", "BEHIND_HTTPS", "CSRF_TRUSTED_ORIGINS", "DATABASE_URL", "DATA_DIR", "DEBUG"),
    "HSTS_SECONDS",
    *("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL", "REDIS_URL", "SECRET_KEY", "STATIC_ROOT"),
)
SETTINGS = Path(environment.__file__).with_name("settings.py")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; font-src 'self'; "
    "frame-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)


async def passed_on(scope, receive, send):
    """Act as the application behind the static files."""
    await send({"type": "http.response.start", "status": 418, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def get(application, path):
    """Return the status, headers and body of one request."""
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
    server = ApplicationCommunicator(application, scope)
    await server.send_input({"type": "http.request"})
    start = await server.receive_output()
    body = b""
    while True:
        event = await server.receive_output()
        body += event["body"]
        if not event.get("more_body"):
            break
    await server.wait()
    return start["status"], {name.decode(): value.decode() for name, value in start["headers"]}, body


def contents_of(name):
    return Path(finders.find(name)).read_bytes()


@pytest.fixture
def site(monkeypatch, tmp_path):
    """Return a function that loads the settings module with the given variables and no others."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATA_DIR", str(tmp_path))

    def settings(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return runpy.run_path(SETTINGS)

    return settings


def test_a_site_without_variables_serves_only_this_machine_with_the_local_model(site, tmp_path):
    settings = site()
    assert settings["DEBUG"] is False
    assert settings["ALLOWED_HOSTS"] == ["localhost", "127.0.0.1", "[::1]"]
    assert settings["CSRF_TRUSTED_ORIGINS"] == []
    assert settings["CHANNEL_LAYERS"] == {}
    assert settings["DATABASES"]["default"]["NAME"] == str(tmp_path / "db.sqlite3")
    assert settings["CHAT"]["BACKENDS"]["default"]["BACKEND"] == "chat.backends.local.LocalBackend"
    assert "SESSION_COOKIE_SECURE" not in settings


def test_an_empty_variable_counts_as_unset(site, tmp_path):
    plain = site()
    assert site(**{name: "" for name in VARIABLES if name != "DATA_DIR"})["CHAT"] == plain["CHAT"]


@pytest.mark.parametrize(("given", "meant"), [("true", True), ("1", True), ("on", True), ("no", False), ("0", False)])
def test_debug_is_a_boolean(site, given, meant):
    assert site(DEBUG=given)["DEBUG"] is meant


def test_lists_are_separated_by_commas_and_blanks_are_dropped(site):
    settings = site(
        ALLOWED_HOSTS=" localhost, chat.localhost ,", CSRF_TRUSTED_ORIGINS="https://a.example, http://b.example"
    )
    assert settings["ALLOWED_HOSTS"] == ["localhost", "chat.localhost"]
    assert settings["CSRF_TRUSTED_ORIGINS"] == ["https://a.example", "http://b.example"]


def test_sqlite_lets_readers_read_while_one_writes(site):
    options = site()["DATABASES"]["default"]["OPTIONS"]
    assert "journal_mode = WAL" in options["init_command"]
    assert (options["transaction_mode"], options["timeout"]) == ("IMMEDIATE", 20)


def test_another_database_is_named_by_its_url(site):
    database = site(DATABASE_URL="postgres://me:secret@db.example:5433/chat")["DATABASES"]["default"]
    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert (database["HOST"], database["PORT"], database["NAME"]) == ("db.example", 5433, "chat")
    assert "init_command" not in database.get("OPTIONS", {})


def test_postgresql_gets_a_pool_and_every_wait_has_a_deadline(site):
    database = site(DATABASE_URL="postgres://me:secret@db.example/chat")["DATABASES"]["default"]
    pool = database["OPTIONS"]["pool"]
    assert pool["max_size"] > Conf.database_threads.default, "requests need connections too"
    assert pool["timeout"] <= 5 and database["OPTIONS"]["connect_timeout"] <= 5
    assert database["CONN_HEALTH_CHECKS"] is True and database["CONN_MAX_AGE"] == 0


def test_the_options_of_a_database_url_override_those_of_the_site(site):
    url = "postgres://me@db/chat?connect_timeout=9&sslmode=require&pool_max_size=30&pool_timeout=2"
    options = site(DATABASE_URL=url)["DATABASES"]["default"]["OPTIONS"]
    assert (options["connect_timeout"], options["sslmode"]) == (9, "require")
    assert (options["pool"]["max_size"], options["pool"]["min_size"], options["pool"]["timeout"]) == (30, 2, 2)
    assert not [name for name in options if name.startswith("pool_")]


@pytest.mark.parametrize(("value", "kept"), [("false", False), ("true", True)])
def test_the_pool_can_be_left_to_another_program(site, value, kept):
    database = site(DATABASE_URL=f"postgres://me@db/chat?pool={value}")["DATABASES"]["default"]
    assert bool(database["OPTIONS"]["pool"]) is kept


def test_redis_carries_the_channel_layer_and_the_streams(site):
    settings = site(REDIS_URL="redis://localhost:6379/0")
    layer = settings["CHANNEL_LAYERS"]["default"]
    assert layer["BACKEND"] == "channels_redis.pubsub.RedisPubSubChannelLayer"
    assert layer["CONFIG"] == {"hosts": ["redis://localhost:6379/0"]}
    assert settings["CHAT"]["REDIS_URL"] == "redis://localhost:6379/0"


def test_a_key_without_an_endpoint_selects_openai(site):
    backend = site(OPENAI_API_KEY="sk-1")["CHAT"]["BACKENDS"]["default"]
    assert backend["BACKEND"] == "chat.backends.openai.OpenAIBackend"
    assert backend["OPTIONS"] == {"model": environment.OPENAI_DEFAULT_MODEL, "api_key": "sk-1"}


def test_a_custom_endpoint_needs_a_model_but_no_key(site):
    backend = site(OPENAI_BASE_URL="http://localhost:11434/v1", OPENAI_MODEL="llama")["CHAT"]["BACKENDS"]["default"]
    assert backend["OPTIONS"] == {"model": "llama", "api_key": "none", "base_url": "http://localhost:11434/v1"}


def test_cookies_are_secure_behind_an_https_proxy(site):
    settings = site(BEHIND_HTTPS="true")
    assert settings["SESSION_COOKIE_SECURE"] and settings["CSRF_COOKIE_SECURE"]
    assert settings["SECURE_PROXY_SSL_HEADER"] == ("HTTP_X_FORWARDED_PROTO", "https")


def test_hashed_static_files_are_served_where_they_were_collected(site, tmp_path):
    settings = site(STATIC_ROOT=str(tmp_path))
    assert "Manifest" in settings["STORAGES"]["staticfiles"]["BACKEND"]


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"BEHIND_HTTPS": "true", "HSTS_SECONDS": "-1"}, 'HSTS_SECONDS must be a non-negative integer, got "-1".'),
        ({"DEBUG": "maybe"}, 'DEBUG must be "true" or "false", got "maybe".'),
        ({"CSRF_TRUSTED_ORIGINS": "a.example"}, 'got "a.example".'),
        (
            {"DATABASE_URL": "nosql://me:secret@db/chat"},
            'DATABASE_URL must be a URL .* with the scheme "nosql"',
        ),
        ({"DATABASE_URL": "me:secret"}, "DATABASE_URL must be a URL"),
        ({"DATABASE_URL": "postgres://me:secret@db/chat?pool_max_size=1"}, "pool_max_size of at least .* got 1 with"),
        ({"DATABASE_URL": "postgres://me:secret@db/chat?pool_sise=9"}, "has the option pool_sise; known are pool_min"),
        ({"REDIS_URL": "http://:secret@localhost"}, 'REDIS_URL must be a URL such as .* with the scheme "http"'),
        ({"OPENAI_MODEL": "llama"}, "neither OPENAI_API_KEY nor OPENAI_BASE_URL"),
        ({"OPENAI_BASE_URL": "http://me:secret@localhost/v1"}, "OPENAI_MODEL must name a model"),
        ({"OPENAI_BASE_URL": "localhost/v1", "OPENAI_MODEL": "llama"}, 'OPENAI_BASE_URL must begin with "http://"'),
        ({"ALLOWED_HOSTS": "localhost,chat.example.com"}, r"SECRET_KEY must be set .*\(chat.example.com\)"),
        ({"ALLOWED_HOSTS": "*"}, r"SECRET_KEY must be set .*\(\*\)"),
        ({"DATA_DIR": "/nowhere"}, r"SECRET_KEY is not set and could not be saved in /nowhere/.secret_key"),
    ],
)
def test_a_wrong_variable_is_refused_with_a_sentence_that_contains_no_secret(site, variables, sentence):
    with pytest.raises(ImproperlyConfigured, match=sentence) as refusal:
        site(**variables)
    assert "me:secret" not in str(refusal.value) and ":secret@" not in str(refusal.value)


def test_a_given_secret_key_is_used_and_none_is_saved(site, tmp_path):
    assert site(SECRET_KEY="given", ALLOWED_HOSTS="chat.example.com")["SECRET_KEY"] == "given"
    assert not (tmp_path / ".secret_key").exists()


def test_the_secret_key_is_generated_once_and_only_its_owner_may_read_it(site, tmp_path):
    first = site()["SECRET_KEY"]
    assert len(first) >= 50
    assert site()["SECRET_KEY"] == first
    assert (tmp_path / ".secret_key").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == [".secret_key"]


def test_processes_that_start_together_agree_on_one_secret_key(site, tmp_path):
    together, keys = threading.Barrier(8), []

    def start():
        together.wait()
        keys.append(environment.secret_key("SECRET_KEY", tmp_path / ".secret_key", ["localhost"]))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8 and len(set(keys)) == 1


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "chat.localhost", "127.0.0.1", "127.8.8.8", "[::1]"])
def test_a_loopback_name_is_recognised(host):
    assert environment.is_loopback(host)


@pytest.mark.parametrize("host", ["*", ".example.com", "0.0.0.0", "192.168.1.2", "localhost.example.com"])  # noqa: S104
def test_any_other_name_may_be_public(host):
    assert not environment.is_loopback(host)


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/chat/", "/accounts/login/", "/admin/login/", "/"])
def test_every_page_carries_the_security_headers(client, path):
    headers = client.get(path).headers
    assert sorted(headers["Content-Security-Policy"].split("; ")) == sorted(POLICY.split("; "))
    assert headers["X-Frame-Options"] == "SAMEORIGIN"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


def test_the_root_redirects_to_the_chat(client):
    assert client.get("/").headers["Location"] == "/chat/"


def test_the_favicon_is_where_browsers_look_for_it(client):
    assert client.get("/favicon.ico").headers["Location"] == "/static/chatproject/favicon.svg"


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("chatproject/favicon.svg", "image/svg+xml"),
        ("llm_chat/chat.js", "text/javascript"),
        ("admin/css/base.css", "text/css"),
    ],
)
async def test_the_files_of_every_app_are_served_before_anything_is_collected(settings, debug, name, kind):
    settings.DEBUG = debug
    status, headers, body = await get(with_static_files(passed_on), f"/static/{name}")
    assert (status, headers["content-type"].partition(";")[0]) == (200, kind)
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"].startswith("max-age=0")
    assert body == contents_of(name)


async def test_collected_files_are_cached_forever_once_their_names_are_hashed(settings, tmp_path):
    settings.STATIC_ROOT = str(tmp_path)
    (tmp_path / "page.0123456789ab.css").write_text("a {}")
    status, headers, _ = await get(with_static_files(passed_on), "/static/page.0123456789ab.css")
    assert status == 200 and "immutable" in headers["cache-control"]


@pytest.mark.parametrize("path", ["/chat/", "/static/none.css", "/static/../settings.py", "/static/%2e%2e/settings.py"])
async def test_requests_for_anything_but_a_static_file_are_passed_on(path):
    assert (await get(with_static_files(passed_on), path))[0] == 418


@pytest.mark.django_db
def test_a_user_signs_in_and_out(client, django_user_model):
    django_user_model.objects.create_user("ada", password="correct horse")
    page = client.post(
        "/accounts/login/", {"username": "ada", "password": "correct horse", "next": "/chat/"}, follow=True
    )
    assert page.redirect_chain[-1][0] == "/chat/"
    assert "Sign out" in page.content.decode()
    page = client.post("/accounts/logout/", follow=True)
    assert "Sign in" in page.content.decode()


@pytest.mark.django_db
def test_a_wrong_password_is_reported_on_the_form(client):
    page = client.post("/accounts/login/", {"username": "ada", "password": "wrong"})
    assert 'role="alert"' in page.content.decode()


def test_a11_the_database_is_readable_by_its_owner_alone(site, tmp_path):
    database = site()["DATABASES"]["default"]
    options = {name: value for name, value in database["OPTIONS"].items() if name in ("factory", "timeout")}
    with contextlib.closing(sqlite3.connect(database=database["NAME"], uri=True, **options)) as connection:
        connection.executescript("PRAGMA journal_mode = WAL; CREATE TABLE t (x); INSERT INTO t VALUES (1);")
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.glob("db.sqlite3*")}
    assert modes == dict.fromkeys(("db.sqlite3", "db.sqlite3-wal", "db.sqlite3-shm"), 0o600)


def test_a11_a_database_of_an_earlier_version_becomes_private_and_its_folder_stays_as_it_is(site, tmp_path):
    tmp_path.chmod(0o755)
    for name in ("db.sqlite3", "db.sqlite3-wal"):
        (tmp_path / name).touch(0o644)
    site()
    assert (tmp_path / "db.sqlite3").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "db.sqlite3-wal").stat().st_mode & 0o777 == 0o600
    assert tmp_path.stat().st_mode & 0o777 == 0o755
    assert not (tmp_path / "db.sqlite3-shm").exists()


def test_a11_a_file_named_by_the_operator_keeps_its_mode(site, tmp_path):
    file = tmp_path / "shared.sqlite3"
    file.touch(0o640)
    file.chmod(0o640)
    factory = site(DATABASE_URL=f"sqlite:///{file}")["DATABASES"]["default"]["OPTIONS"]["factory"]
    with contextlib.closing(sqlite3.connect(str(file), factory=factory)) as connection:
        connection.execute("CREATE TABLE t (x)")
    assert file.stat().st_mode & 0o777 == 0o640


def test_a11_a_database_in_memory_makes_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (":memory:", "file:memory?mode=memory&cache=shared"):
        sqlite3.connect(database=name, uri=True, factory=PrivateFile).close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("given", "seconds"), [({}, 2_592_000), ({"HSTS_SECONDS": "0"}, 0)])
def test_a14_hsts_is_on_behind_an_https_proxy(site, given, seconds):
    assert site(BEHIND_HTTPS="true", **given)["SECURE_HSTS_SECONDS"] == seconds


def test_a14_hsts_is_off_without_https(site):
    assert "SECURE_HSTS_SECONDS" not in site()
