"""The browser that is measured."""

import contextlib
import os
import shutil
from collections.abc import Iterator

from playwright.sync_api import Page, sync_playwright


@contextlib.contextmanager
def browser_page() -> Iterator[Page]:
    """Open a tab in the Chromium named by ``CHROMIUM``, as ``make`` sets it, or in the system's or Playwright's own."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium-headless-shell") or shutil.which("chromium")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser.new_page()
        browser.close()
