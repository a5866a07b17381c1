"""The browser under measurement."""

import contextlib
import os
import shutil
from collections.abc import Iterator

from playwright.sync_api import Page, sync_playwright

CHROMIUMS = ("chromium-headless-shell", "chromium", "google-chrome")


@contextlib.contextmanager
def browser_page() -> Iterator[Page]:
    """A tab of the system's Chromium."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUMS)), None)
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser.new_page()
        browser.close()
