"""The tests fail where a page complains: each browser must notice it."""

import pytest

BLOCKED = "() => document.head.append(Object.assign(document.createElement('script'), { textContent: '0' }))"
THROWN = "() => { setTimeout(() => { throw new Error('on purpose'); }); }"
SAID = "() => console.error('on purpose')"
NOTED = "() => (localStorage.getItem('watched') ?? '').length > 0"


@pytest.mark.parametrize(("act", "complaint"), [(BLOCKED, "script-src"), (THROWN, "on purpose"), (SAID, "on purpose")])
def test_a_complaint_of_the_page_is_noticed(engine, chat, act, complaint):
    chat.js(act)
    chat.wait(NOTED)
    assert complaint in "".join(chat.complaints())
    chat.forgive()
    engine.complaints.clear()
