"""The test tools themselves: a page that loses its socket, and the upstream that it asks."""

import pytest

from tests.faults.promises import assert_asked, assert_sent_once, assert_shown_as_stored, back_at_base
from tests.faults.visitor import asking
from tests.support.behaviours import words


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
