"""A new error code is one row of ``ERRORS``, which the socket, the form without a script and the page use."""

import pytest

from chat.errors import ERRORS, ErrorKind, Refusal, sentence


@pytest.fixture
def quota(monkeypatch):
    """An error that exists only as a row, and an engine that refuses every question with it."""
    monkeypatch.setitem(ERRORS, "quota", ErrorKind("You have used up your quota.", 429, temporary=True))

    def refuse(*_):
        raise Refusal("quota")

    monkeypatch.setattr("chat.engine.start.ask", refuse)


async def test_a_socket_gets_the_code_and_the_sentence_of_a_new_row(quota, script, connect):
    socket = await connect()
    [frame] = await socket.rest(await socket.ask("Why?"))
    assert (frame["type"], frame["code"], frame["errorText"]) == ("error", "quota", "You have used up your quota.")


@pytest.mark.django_db(transaction=True)
async def test_the_form_without_a_script_answers_the_status_of_a_new_row(quota, script, served, async_client):
    response = await async_client.post("/chat/c1/", {"id": "m1", "text": "Why?"})
    assert response.status_code == 429
    assert "You have used up your quota." in response.content.decode()


@pytest.mark.django_db
def test_the_page_knows_which_errors_are_temporary(quota, client):
    assert 'temporary-errors="draining lost quota"' in client.get("/chat/").content.decode()


def test_a_code_of_another_version_of_the_app_has_no_sentence():
    assert sentence("from the future") == ""


def test_a_sentence_is_fixed_or_in_a_language():
    assert sentence("busy") == ERRORS["busy"].sentence
    assert "bereits" in sentence("busy", "de")
