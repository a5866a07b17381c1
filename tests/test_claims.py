"""The cookie by which a browser proves that it has begun a conversation."""

from http.cookies import SimpleCookie

import pytest

from chat.claims import MOST, claim_of, claims_of, cookie_of


def test_a_browser_without_the_cookie_gets_a_new_one_each_time():
    one, other = cookie_of({"sessionid": "s"}), cookie_of({"sessionid": "s"})
    assert one.name.startswith("sessionid_chat_")
    assert one.name != other.name
    assert one.token != other.token
    assert len(claim_of(one.token)) == 64


def test_a_browser_with_the_cookie_gets_it_again():
    cookie = cookie_of({})
    sent = {"sessionid": "s", cookie.name: cookie.token}
    assert cookie_of(sent) == cookie
    assert claims_of(sent) == (claim_of(cookie.token),)


def test_all_tokens_of_a_browser_count_up_to_a_limit():
    cookies = [cookie_of({}) for _ in range(MOST + 3)]
    assert claims_of(dict(cookies[:2])) == tuple(claim_of(cookie.token) for cookie in cookies[:2])
    assert len(claims_of(dict(cookies))) == MOST


@pytest.mark.parametrize("token", ["", "short", "x" * 33, "x" * 31 + "\n", "x" * 31 + ";"])
def test_a_cookie_that_is_no_token_does_not_count(token):
    assert claims_of({"sessionid_chat_a": token}) == ()
    assert claims_of({"sessionid": "x" * 32, "other": "x" * 32}) == ()
    assert cookie_of({"sessionid_chat_a": token}).token != token


def test_the_cookie_is_set_as_the_sessions_is(settings):
    settings.SESSION_COOKIE_NAME = "__Secure-own"
    settings.SESSION_COOKIE_PATH = "/app/"
    settings.SESSION_COOKIE_DOMAIN = "shop.example"
    settings.SESSION_COOKIE_SECURE = True
    settings.SESSION_COOKIE_AGE = 60
    name, header = cookie_of({}).header
    (cookie,) = SimpleCookie(header.decode()).values()
    assert name == b"set-cookie"
    assert cookie.key.startswith("__Secure-own_chat_")
    shown = {key: value for key, value in cookie.items() if value}
    assert shown == {
        "path": "/app/",
        "domain": "shop.example",
        "max-age": "60",
        "secure": True,
        "httponly": True,
        "samesite": "Lax",
    }


def test_the_cookie_ends_with_the_browser_if_the_session_does(settings):
    settings.SESSION_EXPIRE_AT_BROWSER_CLOSE = True
    assert b"max-age" not in cookie_of({}).header[1].lower()
