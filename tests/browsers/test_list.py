"""The list of conversations: opening, renaming, deleting and searching."""

import pytest

from tests.browsers.visitor import LINK, QUESTION, UNDO


@pytest.fixture
def listed(chat, script):
    """A page with two conversations, the newer one open."""
    chat.talk(script, "About zebras", "Striped.")
    chat.open()
    chat.talk(script, "About apples", "Red.")
    chat.wait("(link) => document.querySelectorAll(link).length === 2", LINK)
    return chat


def test_the_list_opens_a_conversation(listed):
    assert listed.titles() == ["About apples", "About zebras"]
    listed.follow("About zebras")
    listed.answered("Striped.")
    listed.shows(f"{LINK}[aria-current=page]", "About zebras")


def test_a_conversation_is_renamed(listed):
    listed.rename("About apples", "Fruit")
    listed.shows(LINK, "Fruit")
    assert listed.js("() => [document.title, document.querySelector('h1').textContent]") == ["Fruit", "Fruit"]
    listed.reload()
    assert listed.titles() == ["Fruit", "About zebras"]


def test_a_conversation_is_deleted(listed):
    listed.delete("About zebras")
    listed.hides(LINK, "About zebras")
    listed.reload()
    assert listed.titles() == ["About apples"]


def test_a_deletion_is_undone(listed):
    listed.delete("About zebras")
    listed.hides(LINK, "About zebras")
    listed.reload()
    listed.click(UNDO)
    listed.shows(LINK, "About zebras")
    listed.hides(UNDO)
    assert listed.titles() == ["About apples", "About zebras"]
    listed.follow("About zebras")
    listed.answered("Striped.")


def test_a_conversation_is_found_by_what_was_said(listed):
    listed.search("striped")
    listed.shows("[data-found] a", "About zebras")
    listed.hides(LINK)
    listed.click("[data-found] a", "About zebras")
    listed.shows(QUESTION, "About zebras")
