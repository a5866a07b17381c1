"""The bicycle shop of ``make example`` in a browser: a customer signs in, asks, and comes back."""

import subprocess
import sys

import pytest
from playwright.sync_api import expect

from tests.browser.test_accessibility import violations
from tests.support.processes import ROOT, SiteProcess, site_environment


@pytest.fixture
def shop(tmp_path):
    environment = site_environment(tmp_path, DJANGO_SETTINGS_MODULE="example.settings")
    subprocess.run([sys.executable, "manage.py", "open_shop"], cwd=ROOT, env=environment, check=True)
    process = SiteProcess("example", environment, tmp_path / "server.log")
    yield f"http://127.0.0.1:{process.port}"
    process.close()


def test_a_customer_asks_about_an_order_and_axe_finds_nothing(shop, visit, console):
    chat = visit(shop, reduced_motion="reduce")
    page = chat.page
    for path in ("/", "/manual/", "/manual/brakes/", "/sign-in/"):
        page.goto(shop + path)
        assert violations(page) == [], path
    page.get_by_label("E-mail").fill("ada@shop.example")
    page.get_by_label("Password").fill("ride-a-bike")
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Order 1038").click()
    chat.connected()
    expect(page.get_by_text("This is a scripted demonstration.")).to_be_visible()
    page.get_by_role("button", name="Where is my parcel?").click()
    expect(chat.answer).to_contain_text("Asking the carrier")
    expect(chat.answer).to_contain_text("in Lyon. It should be with you in 2 days.")
    expect(chat.answer).to_have_attribute("data-status", "complete")
    chat.reload()
    expect(chat.answer).to_contain_text("Parcel of order 1038")
    chat.open("/help/").ask("What have I ordered?")
    expect(chat.answer).to_have_attribute("data-status", "complete")
    expect(chat.answer.get_by_role("link", name="1042")).to_be_visible()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert violations(page) == [], scheme
    assert console == []
