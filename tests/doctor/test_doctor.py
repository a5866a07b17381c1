"""``manage.py chat_doctor`` at real servers, behind proxies that make mistakes."""

import contextlib
import datetime
import io
import re
import ssl
import tempfile
import threading
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
import services
from django.core.management import CommandError, call_command
from django.core.wsgi import get_wsgi_application

from chat.doctor import frames
from chat.doctor.frames import CODES
from chat.sockets.received import NO_SESSION, OUTDATED, TOO_MUCH
from tests.support.processes import running as running_process
from tests.support.reverse_proxy import (
    answering,
    before,
    closing,
    cutting,
    gathering,
    plain,
    zipping,
    zipping_pages,
)
from tests.support.servers import running

pytestmark = pytest.mark.django_db(transaction=True)
WELL = "ok     Frames arrive one by one"


@pytest.fixture
def site(transactional_db, script):
    """Run the site on uvicorn."""
    with running() as site:
        yield site


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(frames, "PATIENCE", 1.0)


def examined(url, *arguments):
    """Run the command; return its lines, and its last sentence if something is wrong."""
    out, said = io.StringIO(), ""
    try:
        call_command("chat_doctor", url, *arguments, stdout=out)
    except CommandError as error:
        assert error.returncode == 1
        said = str(error)
    return out.getvalue(), said


def one_wrong(url, *arguments):
    """Run the command, which finds one thing wrong; return the three lines about it."""
    lines, said = examined(url, *arguments)
    assert said == "1 finding is wrong.", lines
    start = lines.index("WRONG")
    found = lines[start:].splitlines()
    assert [line.split(":")[0].strip() for line in found[1:3]] == ["Expected", "To change"]
    return found[0], found[1], found[2]


@contextlib.contextmanager
def through(site, **mistakes):
    with before(site.port, **mistakes) as proxy:
        yield f"{proxy.url}/chat/"


# ---- What is well ----


def test_a_site_under_uvicorn_is_well(site):
    lines, said = examined(f"{site.url}/chat/")
    assert said == "", lines
    assert lines.splitlines()[:2] == [
        f"ok     The page {site.url}/chat/ answers with 200.",
        "ok     The Content-Security-Policy allows the chat's scripts, styles and socket.",
    ]
    assert "scripts and styles of the chat are there." in lines
    assert f"ok     The socket ws://127.0.0.1:{site.port}/ws/chat/ opens." in lines
    assert WELL in lines


def test_a_site_under_daphne_is_well(tmp_path):
    with running_process("daphne", tmp_path) as site:
        lines, said = examined(f"http://127.0.0.1:{site.port}/chat/")
    assert (WELL in lines, said) == (True, ""), lines


def test_it_stores_no_conversation_and_asks_no_model(site, script):
    from chat.models import Conversation

    examined(f"{site.url}/chat/")
    assert not Conversation.objects.exists()
    assert script.waiting == 0


def test_a_plain_proxy_and_one_that_compresses_pages_are_well(site):
    for mistakes in ({}, {"pages": zipping_pages}):
        with through(site, **mistakes) as url:
            lines, said = examined(url)
            assert (WELL in lines, said) == (True, ""), lines


def test_redirects_within_the_site_are_followed(site):
    lines, said = examined(f"{site.url}/")
    assert (said, f"ok     {site.url}/ redirects to {site.url}/chat/ (302)." in lines) == ("", True), lines


# ---- What gathers, changes or cuts frames ----


def test_a_proxy_that_buffers_is_found(site, monkeypatch):
    with through(site, sockets=gathering(0.6)) as url:
        seen, _, change = one_wrong(url)
    assert "Frames that were sent 100 ms apart arrive together, after up to" in seen
    assert "proxy_buffering off" in change


def test_a_proxy_that_holds_frames_back_is_found(site):
    with through(site, sockets=gathering(60)) as url:
        seen, _, change = one_wrong(url)
    assert seen == "WRONG  10 of 10 frames have not arrived after 1 s."
    assert "proxy_buffering off" in change


def test_a_proxy_that_compresses_the_socket_is_found(site):
    with through(site, sockets=zipping) as url:
        seen, _, change = one_wrong(url)
    assert "are no websocket frames" in seen
    assert "turn compression (gzip) and filters off" in change


def test_a_proxy_that_cuts_silent_sockets_is_found_if_it_is_asked_for(site):
    with through(site, sockets=cutting(0.5)) as url:
        lines, said = examined(url)
        assert (WELL in lines, said) == (True, "")
        seen, _, change = one_wrong(url, "--idle", "20")
    assert re.fullmatch(r"WRONG  The socket was cut after [0-9] s without frames\.", seen)
    assert "proxy_read_timeout" in change


def test_a_socket_that_stays_open_is_well(site):
    lines, said = examined(f"{site.url}/chat/", "--idle", "0.3")
    assert ("ok     The socket is still open after 0.3 s without frames." in lines, said) == (True, "")


def test_a_proxy_that_closes_after_the_handshake_is_found(site):
    with through(site, sockets=closing) as url:
        seen, _, change = one_wrong(url)
    assert seen == "WRONG  The socket was closed at once, without a code."
    assert "does not know websockets" in change


# ---- Handshakes that are refused ----


def test_a_lost_upgrade_is_found(site):
    def drop(head):
        head.headers.pop("upgrade", None)
        head.headers["connection"] = "close"

    with through(site, edit=drop) as url:
        seen, expected, change = one_wrong(url)
    assert "was refused with 404 and a page of HTML." in seen
    assert "101 Switching Protocols" in expected
    assert "proxy_set_header Upgrade $http_upgrade" in change
    assert "under WSGI" in change


class Silent(WSGIRequestHandler):
    def log_message(self, *_):
        """Print nothing."""


def test_wsgi_is_found(transactional_db, script, settings):
    with make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Silent) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        lines, said = examined(f"http://127.0.0.1:{server.server_port}/chat/")
        server.shutdown()
    assert "was refused with 404 and a page of HTML." in lines
    assert "which serves WSGI: serve the site by ASGI" in lines
    assert said.endswith("wrong.")


@pytest.mark.parametrize("status", [200, 301, 400, 426, 500, 502, 418])
def test_every_status_of_a_refusal_has_something_to_change(site, status):
    body = b"<!DOCTYPE html><html></html>" if status == 200 else b""
    head = f"HTTP/1.1 {status} Such\r\nLocation: https://elsewhere/\r\nContent-Length: {len(body)}\r\n\r\n"
    with through(site, sockets=answering(head.encode() + body)) as url:
        seen, _, change = one_wrong(url)
    html = " and a page of HTML" if body else ""
    assert f"was refused with {status}{html}." in seen
    expected = {
        200: "closes the connection during the handshake",
        301: "It redirects to https://elsewhere/",
        400: "ALLOWED_HOSTS",
        426: "headers of the upgrade were lost",
        500: "with_chat(application)",
        502: "the proxy does not reach the site for this path",
        418: "closes the connection",
    }
    assert expected[status] in change


@pytest.mark.parametrize("response", [b"", b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"HTTP/1.1 101 Yes\r\nUpgrade: h2c\r\n\r\n"])
def test_anything_else_than_a_handshake_is_found(site, response):
    with through(site, sockets=answering(response)) as url:
        seen, _, change = one_wrong(url)
    assert "was refused: " in seen
    assert "during the handshake" in change


def test_a_lost_host_is_found_by_the_page(site):
    with through(site, edit=lambda head: head.headers.update(host="upstream")) as url:
        seen, _, change = one_wrong(url)
    assert seen.endswith("answers with 400.")
    assert "ALLOWED_HOSTS" in change


def test_another_host_for_the_socket_is_found(site, settings):
    settings.ALLOWED_HOSTS = ["*"]
    with through(site, edit=lambda head: head.headers.update(host="upstream")) as url:
        seen, _, change = one_wrong(url)
    assert "was refused with 403." in seen
    assert "is not the host that the site sees" in change
    assert "CSRF_TRUSTED_ORIGINS" in change


def test_a_lost_port_is_found(site):
    with through(site, edit=lambda head: head.headers.update(host="127.0.0.1")) as url:
        seen, _, change = one_wrong(url)
    assert "was refused with 403." in seen
    assert "the port is lost on the way: proxy_set_header Host $http_host" in change


def test_a_prefix_that_the_site_does_not_know_of_is_found(site):
    def shorten(head):
        head.path = head.path.removeprefix("/app") if head.path.startswith("/app/") else "/nowhere/"

    with before(site.port, edit=shorten) as proxy:
        lines, said = examined(f"{proxy.url}/app/chat/")
    assert "It opens at /app/ws/chat/." in lines
    assert "Below a path" in lines
    assert said.endswith("wrong.")


# ---- Sockets that are closed ----


def test_a_lost_cookie_is_found(site):
    def drop(head):
        if head.upgrades:
            del head.headers["cookie"]

    with through(site, edit=drop) as url:
        seen, _, change = one_wrong(url)
    assert seen == "WRONG  The socket was closed with 4401: the server does not know the visitor."
    assert "Cookie header" in change


def test_a_page_of_another_version_is_found(site):
    def rewrite(head):
        head.path = head.path.replace("?v=", "?v=old")

    with through(site, edit=rewrite) as url:
        seen, _, change = one_wrong(url)
    assert "closed with 4409" in seen
    assert "cache" in change


def test_the_codes_are_those_of_the_protocol():
    assert set(CODES) == {NO_SESSION, OUTDATED, TOO_MUCH}


# ---- The page ----


def test_a_site_that_does_not_listen_is_found():
    seen, _, change = one_wrong("http://127.0.0.1:9/chat/")
    assert "Connection refused" in seen
    assert "whether the server listens" in change


def test_a_page_that_is_not_there_or_has_no_chat_is_found(site):
    assert one_wrong(f"{site.url}/nowhere/")[0].endswith("answers with 404.")
    assert one_wrong(f"{site.url}/accounts/login/")[0] == "WRONG  The page has no chat."
    lines, _ = examined(f"{site.url}/admin/")
    assert "if the redirects lead to a login: give the cookie" in lines


def test_a_page_for_users_is_seen_with_their_cookie(site, client, django_user_model):
    client.force_login(django_user_model.objects.create_user("ann"))
    session = f"sessionid={client.cookies['sessionid'].value}"

    def require_login(head):
        if head.path == "/chat/" and session not in head.headers.get("cookie", ""):
            head.path = "/admin/"

    with through(site, edit=require_login) as url:
        assert "The page has no chat." in examined(url)[0]
        lines, said = examined(url, "--cookie", f"x=1; {session}")
    assert (WELL in lines, said) == (True, ""), lines


def test_static_files_that_are_not_there_are_found(site):
    def lose(head):
        if head.path.endswith(".css"):
            head.path = "/nowhere/"

    with through(site, edit=lose) as url:
        lines, said = examined(url)
    assert "answers with 404 and the type text/html." in lines
    assert "collectstatic" in lines
    assert WELL in lines
    assert said.endswith("findings are wrong.")


def test_a_policy_that_blocks_the_chat_is_found(site, settings):
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": {"default-src": ["'self'"], "connect-src": ["'none'"]}}
    seen, expected, _ = one_wrong(f"{site.url}/chat/")
    assert "allows connect-src 'none'." in seen
    assert "connect-src 'self'" in expected


def test_a_page_that_caches_keep_is_found(site):
    def keep(source, target):
        class Kept:
            sendall = staticmethod(
                lambda data: target.sendall(data.replace(b"no-cache, no-store, must-revalidate, private", b"public"))
            )

        plain(source, Kept)

    with through(site, pages=keep) as url:
        seen, _, change = one_wrong(url)
    assert "may be kept by caches" in seen
    assert "never_cache" in change


def test_cookies_for_https_only_are_found_by_http(site, settings):
    settings.SESSION_COOKIE_SECURE = True
    lines, said = examined(f"{site.url}/chat/")
    assert "sets cookies that browsers send by https only: sessionid." in lines
    assert "closed with 4401" in lines
    assert said == "2 findings are wrong."


# ---- HTTPS ----


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """Return the context of a server whose certificate nobody trusts."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def test_a_certificate_that_is_not_trusted_is_found(site, tls):
    with through(site, tls=tls) as url:
        seen, _, change = one_wrong(url)
    assert "The certificate is not trusted: self" in seen
    assert "--insecure" in change


def test_a_lost_scheme_is_found(site, tls):
    with through(site, tls=tls) as url:
        seen, _, change = one_wrong(url, "--insecure")
    assert "was refused with 403." in seen
    assert "so the site takes the visitor's https for http" in change
    assert "SECURE_PROXY_SSL_HEADER" in change


def test_a_site_by_https_is_well(site, tls, settings):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    with through(site, tls=tls, edit=lambda head: head.headers.update({"x-forwarded-proto": "https"})) as url:
        lines, said = examined(url, "--insecure")
    assert (WELL in lines, said) == (True, ""), lines


def test_a_redirect_to_https_is_followed(site, tls, settings):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    with through(site, tls=tls, edit=lambda head: head.headers.update({"x-forwarded-proto": "https"})) as url:
        moved = f"HTTP/1.1 301 Moved\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n".encode()
        with before(site.port, pages=answering(moved)) as plain_proxy:
            lines, said = examined(f"{plain_proxy.url}/chat/", "--insecure")
    assert (said, "(301)." in lines, WELL in lines) == ("", True, True), lines


# ---- The command ----


@pytest.mark.parametrize("url", ["mysite.org/chat/", "ftp://mysite.org/", "http:///chat/", ""])
def test_another_url_is_an_error(url):
    with pytest.raises(CommandError, match=r"^URL must begin with http:// or https:// and a host, got "):
        call_command("chat_doctor", url)


def test_a_negative_time_is_an_error():
    with pytest.raises(CommandError, match=r"^--idle must be a number of seconds, 0 or more, got -1\.$"):
        call_command("chat_doctor", "http://127.0.0.1/", idle=-1.0)


@pytest.mark.parametrize("version", [None, "12.0"])
def test_a_missing_library_is_an_error_that_says_what_to_install(monkeypatch, version):
    import sys
    import types

    module = types.ModuleType("websockets.version")
    if version:
        module.version = version
    monkeypatch.setitem(sys.modules, "websockets.version", module if version else None)
    with pytest.raises(CommandError, match=r'13 or later, got (none|12\.0): pip install "django-llm-chat\[uvicorn\]"'):
        call_command("chat_doctor", "http://127.0.0.1/")


# ---- nginx ----


@pytest.mark.parametrize("mistake", ["", "Upgrade", "Host"])
def test_nginx_as_the_project_configures_it_is_well_and_mistakes_are_found(site, monkeypatch, mistake):
    if not services.found_program("nginx"):
        pytest.skip("nginx is not installed here")
    lines = services.BALANCER.read_text().splitlines(keepends=True)
    with tempfile.TemporaryDirectory(prefix="chat-doctor-") as name:  # not pytest's, which nginx's workers cannot enter
        template = Path(name) / "template"
        template.write_text("".join(line for line in lines if f"proxy_set_header {mistake or '-'} " not in line))
        monkeypatch.setattr(services, "BALANCER", template)
        nginx = services.balancer(Path(name), services.free_port(), [site])
        try:
            nginx.wait_until_it_listens()
            lines, said = examined(f"http://127.0.0.1:{nginx.port}/chat/")
        finally:
            nginx.stop()
    expected = {"": WELL, "Upgrade": "proxy_set_header Upgrade $http_upgrade", "Host": "ALLOWED_HOSTS"}
    assert expected[mistake] in lines
    assert bool(said) == bool(mistake)


# ---- The docs ----


def test_the_headings_that_the_findings_name_are_there():
    named = set()
    for path in Path("chat/doctor").glob("*.py"):
        named |= set(re.findall(r"((?:docs/\w+|README)\.md), ([A-Z][\w ]+)", path.read_text()))
    assert {("docs/deployment.md", "Behind nginx"), ("README.md", "Deployment")} <= named
    for page, heading in named:
        assert re.search(rf"^##+ {heading}$", Path(page).read_text(), re.MULTILINE), (page, heading)
