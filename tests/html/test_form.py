"""The form that sends a message without a script."""

import pytest
from django.test import override_settings

from chat.html.form import Refused, composer_view


def test_a_message_gets_an_id_before_it_is_written():
    assert len({composer_view("c1", running=False).id for _ in range(5)}) == 5


def test_a_refused_message_stands_in_the_form_again():
    view = composer_view("c1", running=True, refused=Refused("m1", "Why?", "No."))
    assert (view.id, view.text, view.error) == ("m1", "Why?", "No.")


@pytest.mark.parametrize("running", [True, False])
def test_only_a_running_answer_can_be_stopped(running):
    view = composer_view("c1", running=running)
    assert view.action == "/chat/c1/"
    assert view.stop == ("/chat/c1/stop/" if running else "")


def test_a_site_without_the_apps_pages_has_nothing_to_post_to():
    with override_settings(ROOT_URLCONF=()):
        view = composer_view("c1", running=True)
    assert (view.action, view.stop) == ("", "")
