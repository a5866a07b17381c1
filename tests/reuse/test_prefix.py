"""A site below a path (E09): the page and the websocket, whether the proxy keeps the path or removes it."""

import pytest
from websockets.exceptions import InvalidStatus

from tests.support.kinds import Kind, build, converse
from tests.support.startproject import Visitor, chat_on

SETTING = 'FORCE_SCRIPT_NAME = "/app"\n'
OPTION = ("--root-path", "/app")


class Removing(Visitor):
    """A visitor behind a proxy that removes the path."""

    def get(self, path):
        return super().get(path.removeprefix("/app"))

    def connected(self, path, port=0):
        return super().connected(path.removeprefix("/app"), port)


@pytest.fixture(scope="module", params=[(SETTING, ()), ("", OPTION)], ids=["FORCE_SCRIPT_NAME", "--root-path"])
def served(request, full_python, instructions, start_project, production):
    """A site below ``/app``, its address, and the visitors that can reach it."""
    settings, options = request.param
    site = start_project(full_python)
    build(site, Kind(settings=settings), instructions.additions)
    with site.served(*production, *options) as url:
        yield site, url, [Removing] if options else [Visitor, Removing]


def test_e09_a_visitor_chats_below_the_path(served):
    _, url, visitors = served
    for visitor in visitors:
        assert chat_on(visitor(url).get("/app/help/")[1])["path"] == "/app/ws/chat/"
        converse(url, "/app/help/", visitor=visitor)


def test_e09_a_refused_handshake_is_one_line_in_the_log_with_the_reason(served):
    site, url, _ = served
    before = len(site.log)
    with pytest.raises(InvalidStatus) as refused:
        Visitor(url).connected("/ws/none/")
    assert refused.value.response.status_code == 403
    (line,) = [line for line in site.log[before:].splitlines() if "handshake" in line]
    assert "ws/none/' was refused: no websocket route of the site takes it" in line
