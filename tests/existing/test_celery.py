"""A site with Celery: tasks ask and write, in a worker's forked processes beside the site's server (E16)."""

import json

import pytest

from tests.faults.services import redis_server
from tests.support.kinds import LOGIN, LOGIN_PAGE, Kind, build
from tests.support.startproject import WAIT, Visitor, chat_on

LAYER = """
CHANNEL_LAYERS = {{
    "default": {{"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {{"hosts": ["{url}"]}}}}
}}
"""
WORKER = """
import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
app = Celery("mysite", broker="{url}", backend="{url}")
app.autodiscover_tasks(["mysite"])
"""
TASKS = """
import os

from celery import shared_task
from django.contrib.auth import get_user_model
from llm_chat import ask, post


@shared_task
def answered(question, **options):
    answer = ask("default", question, **options)
    return os.getpid(), answer.status, answer.text


@shared_task
def told(name, text):
    user = get_user_model().objects.get(username=name)
    return post("default", text, user=user)
"""
WORK = ["-m", "celery", "-A", "mysite.worker", "worker", "--concurrency", "2", "--loglevel", "INFO"]
USER = "from django.contrib.auth.models import User; User.objects.create_user('ann', password='pw')"


def results(site, calls):
    """Send calls of tasks at once, and return what they have returned, in order."""
    lines = ["import json", "from mysite import worker, tasks", f"sent = [{', '.join(calls)}]"]
    lines += ["print(json.dumps([task.get(timeout=30) for task in sent]))"]
    return json.loads(site.run("manage.py", "shell", "-v", "0", "-c", "\n".join(lines)))


@pytest.fixture(scope="module")
def site(python, instructions, start_project):
    site = start_project(python)
    with redis_server() as redis:
        files = {"mysite/worker.py": WORKER.format(url=redis.url), "mysite/tasks.py": TASKS}
        files["templates/login.html"] = LOGIN_PAGE
        build(site, Kind(settings=LAYER.format(url=redis.url), urls=LOGIN, files=files), instructions.additions)
        site.run("manage.py", "shell", "-v", "0", "-c", USER)
        with site.beside(*WORK, ready=" ready."):
            yield site


def test_e16_two_forked_processes_answer_at_once_and_leave_nothing_that_is_not_kept(site, production):
    with site.served(*production):
        calls = [f"tasks.answered.delay('Question {number}', keep={number != 1})" for number in range(6)]
        found = results(site, calls)
    expected = [("complete", f"Question {number}") for number in range(6)]
    assert [(status, text.strip()) for _, status, text in found] == expected
    assert len({process for process, *_ in found}) == 2
    asked = [text for role, _, text in site.stored() if role == "user"]
    assert sorted(asked) == [f"Question {number}" for number in (0, 2, 3, 4, 5)]


def test_e16_a_task_posts_a_message_that_the_open_page_of_its_user_shows(site, production):
    with site.served(*production) as url:
        visitor = Visitor(url)
        visitor.sign_in("/login/", username="ann", password="pw")
        with visitor.connected(chat_on(visitor.get("/help/")[1])["path"]) as socket:
            (uid,) = results(site, ["tasks.told.delay('ann', 'Your parcel is on its way.')"])
            assert uid == chat_on(visitor.get("/help/")[1])["conversation"]
            assert visitor.roles_of("Your parcel is on its way.", "/help/") == ["assistant"]
            frames = [json.loads(socket.recv(WAIT)) for _ in range(2)]
    assert [frame["event"] for frame in frames if frame["type"] == "event"] == ["run-started", "run-ended"]
