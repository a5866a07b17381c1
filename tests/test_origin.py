"""The reasons that are logged when a handshake is refused."""

import pytest

from chat.origin import SHOWN, distrust, same_origin, shown
from tests.test_routing import handshake


@pytest.fixture(autouse=True)
def site(settings):
    settings.ALLOWED_HOSTS = ["example.com"]


@pytest.mark.parametrize(
    ("scope", "reason"),
    [
        (handshake(origin="http://example.com"), ""),
        (handshake(), "it has no Origin header"),
        (handshake(origin="null"), "the origin 'null' is neither 'http://example.com' nor in CSRF_TRUSTED_ORIGINS"),
        (handshake(host="evil.org", origin="http://evil.org"), "the host 'evil.org' is not in ALLOWED_HOSTS"),
        (
            handshake(origin="https://example.com"),
            "the origin 'https://example.com' is neither 'http://example.com' nor in CSRF_TRUSTED_ORIGINS",
        ),
    ],
)
def test_b40_the_reason_names_the_given_and_the_expected_value(scope, reason):
    assert distrust(scope) == reason


async def test_b40_values_from_a_client_make_one_short_line(caplog):
    sent = []

    async def send(event):
        sent.append(event)

    async def receive():
        return {"type": "websocket.connect"}

    async def app(scope, receive, send):
        raise AssertionError("admitted")

    scope = handshake(origin="http://" + "\x1b[31m\nforged: " * 1_000)
    await same_origin(app)({**scope, "path": "/ws/chat/\n\u2028" * 1_000}, receive, send)
    assert sent == [{"type": "websocket.close"}]
    (record,) = caplog.records
    assert (record.levelname, record.name) == ("WARNING", "chat.origin")
    text = record.getMessage()
    assert text.isascii() and text.isprintable() and len(text) < 800


@pytest.mark.parametrize("text", ["", "a" * SHOWN, "a" * (SHOWN + 1), "\ud800"])
def test_a_value_is_quoted_and_marked_where_it_is_cut(text):
    assert shown(text) == (ascii(text) if len(text) <= SHOWN else "'" + "a" * SHOWN + "...'")
