"""What axe-core finds on the page in Firefox, in each of its states; tests/browser/ asks it in Chromium."""

import pytest
from axe_playwright_python.base import AXE_SCRIPT

from tests.browsers.visitor import ANSWER, COMPOSER, LINK, QUESTION, QUEUED
from tests.support.texts import RICH

FOUND = """async () => {
  const { violations } = await axe.run({ resultTypes: ["violations"] });
  return violations.map(({ id, nodes }) => [id, ...nodes.map(({ html }) => html.slice(0, 200))]);
}"""


def violations(chat):
    chat.tab.run(f"(async () => {{ {AXE_SCRIPT}; return ''; }})()")
    return chat.js(FOUND)


def empty(chat, script):
    chat.shows(".llm-chat-empty")


def thinking(chat, script):
    chat.ask("Tell me")
    script.next_reply().think("Let me see.")
    chat.shows(f"{ANSWER} details[open] [data-blocks]", "Let me see.")


def answering(chat, script):
    chat.ask("Tell me")
    script.next_reply().say(RICH)
    chat.shows(f"{ANSWER} table")


def queued(chat, script):
    answering(chat, script)
    chat.ask("And then?")
    chat.shows(QUEUED, "And then?")
    chat.fill(COMPOSER, "Half a question")


def done(chat, script):
    chat.talk(script, "Tell me", RICH)


def failed(chat, script):
    chat.ask("Tell me")
    script.next_reply().fail("auth")
    chat.shows(f"{ANSWER}[data-status=failed] button")


def editing(chat, script):
    done(chat, script)
    chat.click(f"{QUESTION} [data-action=edit]")
    chat.shows("llm-chat-edit textarea")


def keys(chat, script):
    done(chat, script)
    chat.help()


def menu(chat, script):
    done(chat, script)
    chat.options("Tell me")


def page_menu(chat, script):
    done(chat, script)
    chat.click("[popovertarget=llm-chat-menu]")
    chat.shows("#llm-chat-menu:popover-open")


def deleted(chat, script):
    done(chat, script)
    chat.open()
    chat.delete("Tell me")


def searching(chat, script):
    done(chat, script)
    chat.shows(LINK)
    chat.search("text")


def dark(chat, script):
    chat.js("() => { document.documentElement.style.colorScheme = 'dark'; }")
    done(chat, script)


def right_to_left(chat, script):
    chat.speak("ar")
    done(chat, script)


def narrow(chat, script):
    done(chat, script)
    chat.open_drawer()


STATES = [
    *(empty, thinking, answering, queued, done, failed, editing, keys, menu, page_menu, deleted, searching),
    *(dark, right_to_left, narrow),
]


@pytest.mark.parametrize("engine", ["firefox"], indirect=True, scope="session")
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_axe_finds_nothing(open_tab, script, state):
    chat = open_tab(width=360 if state is narrow else 1280)
    state(chat, script)
    assert violations(chat) == []
