"""Chromium, driven by Playwright."""

from playwright.sync_api import Browser, BrowserContext, Page


class Chromium:
    """A Chromium that Playwright has started, with one visitor at a time."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._visitor = self._enter()
        self.complaints: list[str] = []
        """What the console said."""

    def tab(self, width: int, height: int) -> "Tab":
        """Open an empty tab."""
        page = self._visitor.new_page()
        page.set_viewport_size({"width": width, "height": height})
        page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        return Tab(page)

    def forget(self) -> None:
        """Close all tabs: the next one is another visitor's."""
        self._visitor.close()
        self._visitor = self._enter()

    def close(self) -> None:
        """Leave the browser to Playwright."""
        self._visitor.close()

    def _enter(self) -> BrowserContext:
        return self._browser.new_context(reduced_motion="reduce")


class Tab:
    """A page of Playwright's."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.click = page.mouse.click
        self.move = page.mouse.move
        self.type = page.keyboard.type
        self.press = page.keyboard.press

    def go(self, url: str) -> None:
        """Open a page, and wait until it has been loaded."""
        self._page.goto(url)

    def run(self, script: str) -> str:
        """Return the value of an expression, which is the promise of a string."""
        return str(self._page.evaluate(script))
