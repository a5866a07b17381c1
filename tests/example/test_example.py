"""The bicycle shop of ``make example``: its set-up, its own tests, and a conversation with its demonstration."""

import re
import subprocess
import sys

import pytest

from tests.support.processes import ROOT, SiteProcess, site_environment
from tests.support.startproject import Visitor, chat_on

SHOP = {"DJANGO_SETTINGS_MODULE": "example.settings", "PYTHONWARNINGS": "default"}
MODEL = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "OPENAI_MODEL": "qwen3"}
PASSWORD = "ride-a-bike"


def manage(folder, *arguments, **environment):
    """Run a command of the shop, whose files are in a folder, and return all that it prints."""
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=site_environment(folder, **SHOP, **environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """The shop on a server of its own, without a model."""
    folder = tmp_path_factory.mktemp("shop")
    manage(folder, "open_shop")
    process = SiteProcess("example", site_environment(folder, **SHOP), folder / "server.log")
    yield process
    process.close()
    assert re.findall(r".*(?:Traceback|WARNING|ERROR|Warning).*", process.log) == []


@pytest.fixture
def signed_in(shop):
    """Return a function that signs a customer in."""

    def signed_in(name):
        visitor = Visitor(f"http://127.0.0.1:{shop.port}")
        page = visitor.sign_in("/sign-in/", username=f"{name}@shop.example", password=PASSWORD)
        assert "Your orders" in page
        return visitor

    return signed_in


def kinds(frames):
    """Return the types of the chunks, each run of the same type once."""
    found = [frame["chunk"]["type"] for frame in frames if frame["type"] == "chunk"]
    return [kind for kind, before in zip(found, [None, *found], strict=False) if kind != before]


def text_of(frames):
    return "".join(frame["chunk"].get("delta", "") for frame in frames if frame["type"] == "chunk")


def test_django_finds_nothing_wrong(tmp_path):
    assert "no issues" in manage(tmp_path, "check", "--fail-level", "WARNING")
    assert "No changes" in manage(tmp_path, "makemigrations", "--check", "--dry-run")


def test_behind_https_only_what_concerns_other_domains_is_left_to_the_site(tmp_path):
    found = manage(tmp_path, "check", "--deploy", BEHIND_HTTPS="true")
    assert re.findall(r"security\.W\d+", found) == ["security.W005", "security.W021"]


def test_the_shop_is_filled_once_and_says_which_model_answers(tmp_path):
    assert "This is a scripted demonstration: no language model is set" in manage(tmp_path, "open_shop")
    change = "from example.shop.models import Order; print(Order.objects.filter(status='open').delete()[1])"
    assert "'shop.Order': 2" in manage(tmp_path, "shell", "--no-imports", "-c", change)
    assert "The model is qwen3." in manage(tmp_path, "open_shop", **MODEL)
    assert "'shop.Order'" not in manage(tmp_path, "shell", "--no-imports", "-c", change)


def test_its_own_tests_pass(tmp_path):
    assert re.search(r"Ran [1-9]\d tests", found := manage(tmp_path, "test", "example", "--no-input")), found


def test_a_customer_talks_with_the_demonstration_and_finds_it_on_the_page_afterwards(signed_in):
    ada = signed_in("ada")
    assert "This is a scripted demonstration" in ada.get("/help/")[1]
    text, called = ["text-start", "text-delta", "text-end"], ["tool-input-available", "tool-output-available"]
    between = ["finish-step", "start-step"]
    step = [*text, *called, *between]
    frames = ada.ask("What have I ordered?", "/help/")
    assert kinds(frames) == ["start", "start-step", *step, *text, "finish-step", "finish"]
    assert "**1042**" in text_of(frames) and "1040" not in text_of(frames)
    frames = ada.ask("Where is my parcel?", "/help/")
    assert kinds(frames) == ["start", "start-step", *step, *called, *between, *text, "finish-step", "finish"]
    progress = [frame["chunk"]["output"] for frame in frames if frame.get("chunk", {}).get("preliminary")]
    assert progress == [{"progress": "Looking for the order"}, {"progress": "Asking the carrier"}]
    assert "is in **Lyon**" in text_of(frames)
    frames = ada.ask("How do I adjust the brakes?", "/help/")
    assert "**Adjusting the brakes** [1]: Loosen" in text_of(frames)
    (source, *_) = (frame["chunk"] for frame in frames if frame.get("chunk", {}).get("type") == "source-url")
    assert source["url"] == "/manual/brakes/"
    page = ada.get("/help/")[1]
    assert page.count('data-role="assistant"') == 3
    assert "Parcel of order 1038" in page


def test_an_order_is_cancelled_on_its_own_page_once_the_customer_agrees(signed_in):
    ben = signed_in("ben")
    frames = ben.ask("Please cancel it.", "/orders/1040/")
    (asked,) = (frame["chunk"] for frame in frames if frame.get("chunk", {}).get("type") == "tool-approval-request")
    assert 'data-status="open"' in ben.get("/orders/1040/")[1]
    frames = ben.decide("/orders/1040/", asked["toolCallId"], True)
    assert "your order is cancelled" in text_of(frames)
    assert 'data-status="cancelled"' in ben.get("/orders/1040/")[1]


def test_the_order_of_another_customer_is_refused(signed_in):
    ada, ben = signed_in("ada"), signed_in("ben")
    page = chat_on(ada.get("/orders/1042/")[1])
    assert page["about"]
    (refused,) = ben.send("Please cancel it.", page)
    assert (refused["type"], refused["code"]) == ("error", "forbidden")
    (refused,) = ben.send("Please cancel it.", {**page, "about": ""})
    assert (refused["type"], refused["code"]) == ("error", "forbidden")
