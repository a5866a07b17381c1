"""Menus, the help dialog and the drawer: how they open and close, and where the focus goes."""

import pytest

from tests.browsers.visitor import COMPOSER, DRAWER, HELP, LINK, MENU

OPTIONS = "llm-chat-list [data-action=options]"
PAGE_MENU = "#llm-chat-menu:popover-open"


@pytest.fixture
def talked(chat, script):
    chat.talk(script, "About zebras", "Striped.")
    chat.shows(LINK, "About zebras")
    return chat


@pytest.fixture
def narrow(open_tab, script):
    chat = open_tab(width=360, height=640)
    chat.talk(script, "About zebras", "Striped.")
    return chat


def test_the_help_dialog_has_the_focus_and_escape_closes_it(talked, script):
    talked.ask("And apples?")
    script.next_reply().say("Red")
    talked.answered("Red", status="running")
    talked.help()
    talked.has_focus(HELP)
    talked.press("Escape")
    talked.hides(HELP)
    talked.has_focus("[role=log]")
    talked.answered("Red", status="running")
    talked.press("Escape")
    talked.answered("Red", status="stopped")


def test_a_click_beside_the_help_dialog_closes_it(talked):
    talked.help()
    left, top, width, _ = talked.box(HELP)
    talked.tab.click(left + width / 2, top + 8)  # its own edge
    talked.shows(HELP)
    talked.tab.click(left - 20, top + 8)
    talked.hides(HELP)


def test_a_menu_has_the_focus_and_escape_returns_it(talked):
    talked.options("About zebras")
    talked.has_focus(f"{MENU} [data-action=rename]")
    talked.press("ArrowUp")
    talked.has_focus(f"{MENU} [data-action=delete]")
    talked.press("Escape")
    talked.hides(MENU)
    talked.has_focus("llm-chat-list [data-action=options]")


@pytest.mark.parametrize("menu", [MENU, PAGE_MENU])
def test_a_click_beside_a_menu_closes_it(talked, menu):
    if menu == MENU:
        talked.options("About zebras")
    else:
        talked.click("[popovertarget=llm-chat-menu]")
    talked.shows(menu)
    left, top, width, height = talked.box("[role=log]")
    talked.tab.click(left + width / 2, top + height - 8)
    talked.hides(menu)


@pytest.mark.parametrize("width", [1280, 360])
def test_the_menu_of_the_page_is_below_its_button_and_inside_the_window(open_tab, width):
    tab = open_tab(width=width, height=640)
    tab.click("[popovertarget=llm-chat-menu]")
    tab.shows(PAGE_MENU)
    button, menu = tab.box("[popovertarget=llm-chat-menu]"), tab.box(PAGE_MENU)
    assert button[1] + button[3] <= menu[1] < button[1] + button[3] + 16
    assert width - 100 < menu[0] + menu[2] <= width


def test_escape_closes_what_is_open_in_the_drawer_first(narrow):
    narrow.open_drawer()
    narrow.click("[popovertarget=llm-chat-more]")
    narrow.shows("#llm-chat-more:popover-open")
    narrow.press("Escape")
    narrow.hides("#llm-chat-more")
    narrow.shows(DRAWER)
    narrow.tab.click(350, 320)
    narrow.hides(DRAWER)


def test_the_drawer_opens_and_escape_closes_it(narrow):
    narrow.hides(LINK)
    narrow.open_drawer()
    narrow.shows(LINK, "About zebras")
    narrow.press("Escape")
    narrow.hides(DRAWER)
    narrow.hides(LINK)


def test_escape_closes_the_menu_and_leaves_the_drawer_open(narrow):
    narrow.open_drawer()
    narrow.click(OPTIONS, "About zebras")
    narrow.shows(MENU)
    narrow.press("Escape")
    narrow.hides(MENU)
    narrow.shows(DRAWER)
    narrow.has_focus(DRAWER)
    narrow.press("Escape")
    narrow.hides(DRAWER)


def test_a_click_beside_the_menu_leaves_the_drawer_open(narrow):
    narrow.open_drawer()
    narrow.click(OPTIONS, "About zebras")
    left, top, width, height = narrow.box(DRAWER)
    narrow.tab.click(left + width / 2, top + 0.7 * height)
    narrow.hides(MENU)
    narrow.shows(DRAWER)


def test_a_conversation_is_renamed_and_deleted_in_the_drawer(narrow):
    narrow.open_drawer()
    narrow.rename("About zebras", "Stripes")
    narrow.shows(LINK, "Stripes")
    narrow.shows(DRAWER)
    narrow.has_focus(OPTIONS)
    narrow.delete("Stripes")
    narrow.hides(LINK, "Stripes")
    narrow.shows("h1", "New chat")


def test_the_focus_stays_in_the_composer_after_another_try(talked, script):
    talked.retry()
    script.next_reply().say("Again")
    talked.answered("Again", status="running")
    talked.has_focus(COMPOSER)
    talked.press("Escape")
    talked.answered("Again", status="stopped")


def test_the_focus_goes_to_the_composer_after_an_edit(talked, script):
    talked.edit("About apples")
    script.next_reply().say("Red")
    talked.answered("Red", status="running")
    talked.has_focus(COMPOSER)
    talked.press("Escape")
    talked.answered("Red", status="stopped")
