"""The widget on a page of a site: opened, asked, closed, and open again on the next page."""

import pytest

from chat.assistants.discovery import registry
from tests.browsers.visitor import ANSWER, COMPOSER
from tests.support import hosts
from tests.support.hosts import Sales, Support

LAUNCHER = "llm-chat-widget > a"
DIALOG = "llm-chat-widget > dialog[open]"


@pytest.fixture
def tab(open_tab, settings):
    """A page of a site with a widget."""
    settings.ROOT_URLCONF = hosts.__name__
    with registry.replaced(Support, Sales):
        tab = open_tab()
        tab.tab.go(tab.url + "/host/")
        tab.shows(f"{LAUNCHER}[role=button]")
        yield tab


def opened(tab):
    tab.shows(DIALOG)
    return tab.connected()


def test_a_visitor_asks_in_the_widget_and_goes_on_with_it_on_the_next_page(tab, script):
    tab.click(LAUNCHER)
    opened(tab).has_focus(COMPOSER)
    tab.talk(script, "Do you deliver?", "Every day.")
    tab.press("Escape")
    tab.hides(DIALOG)
    tab.has_focus(LAUNCHER)
    tab.press("Enter")
    opened(tab).has_focus(COMPOSER)
    tab.click("header a", "Second page")
    tab.shows("h1", "Page two/")
    opened(tab).shows(ANSWER, "Every day.")
    assert tab.js("() => document.activeElement.localName") == "body"
    assert tab.js("() => document.querySelector('dialog').matches(':modal')") is False


def test_a_small_screen_is_filled_and_left_by_escape(open_tab, settings, script):
    settings.ROOT_URLCONF = hosts.__name__
    with registry.replaced(Support, Sales):
        tab = open_tab(width=360, height=640)
        tab.tab.go(tab.url + "/host/?look=reset")
        tab.click(LAUNCHER)
        opened(tab)
        width, height = tab.js("() => [document.documentElement.clientWidth, innerHeight]")
        assert tab.box(DIALOG) == [0, 0, width, height]
        tab.talk(script, "Do you deliver?", "Every day.")
        tab.press("Escape")
        tab.hides(DIALOG)
        tab.has_focus(LAUNCHER)
