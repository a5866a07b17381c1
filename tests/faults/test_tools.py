"""The test tools themselves: a page that loses its socket, the upstream that it asks, and the soak test."""

import os
import subprocess
import sys

import pytest

from tests.faults.promises import assert_asked, assert_sent_once, assert_shown_as_stored, back_at_base
from tests.faults.visitor import asking
from tests.support.behaviours import words
from tests.support.processes import ROOT


@pytest.mark.parametrize("view", ["text", "html"])
async def test_a_page_follows_an_answer_over_a_new_socket(site, visitor, view):
    tab = await visitor.open(site[0].port, view)
    async with back_at_base(site):
        answer = await tab.ask(asking("paced:100:200"))
        await answer.until(lambda: len(answer.frames) > 5)
        await tab.reconnect(site[-1].port)
        await tab.resume(answer)
        assert await answer.ended() == "finish"
    stored = site.message(answer.uid)
    assert stored.text == "".join(words(100))
    assert_shown_as_stored(site, answer)
    assert_sent_once(site, answer)
    assert_asked(site.upstream, answer)


def test_the_soak_starts_without_an_environment_of_django():
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    command = [sys.executable, "-m", "tests.faults.soak", "--help"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
