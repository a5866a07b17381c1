"""The form that sends a message without JavaScript."""

import pytest
from django.test import override_settings

from chat.html.form import Refused, composer_view


def test_the_form_gives_each_message_an_id_of_its_own():
    assert len({composer_view("c1", running=False).id for _ in range(5)}) == 5


def test_a_refused_message_is_in_the_form_again():
    view = composer_view("c1", running=True, refused=Refused("m1", "Why?", "No."))
    assert (view.id, view.text, view.error) == ("m1", "Why?", "No.")


@pytest.mark.parametrize("running", [True, False])
def test_only_a_running_answer_can_be_stopped(running):
    view = composer_view("c1", running=running)
    assert view.action == "/chat/c1/"
    assert view.stop == ("/chat/c1/stop/" if running else "")


def test_without_the_apps_urls_the_form_posts_to_nothing():
    with override_settings(ROOT_URLCONF=()):
        view = composer_view("c1", running=True)
    assert (view.action, view.stop) == ("", "")
