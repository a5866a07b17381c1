"""The browser under measurement."""

import contextlib
import os
import shutil
from collections.abc import Iterator

from playwright.sync_api import Page, sync_playwright


@contextlib.contextmanager
def browser_page() -> Iterator[Page]:
    """A tab of the Chromium that ``CHROMIUM`` names, as ``make`` does, else of the system's or Playwright's own."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium-headless-shell") or shutil.which("chromium")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser.new_page()
        browser.close()
