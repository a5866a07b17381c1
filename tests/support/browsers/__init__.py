"""Three browsers behind one small interface: a browser opens tabs, and a tab runs scripts and takes input.

All of them have a mouse, and reduce motion.
"""

from playwright.sync_api import Error
from selenium.common import WebDriverException

FAILURES = (Error, WebDriverException)
"""What the drivers raise, above all where a page is left while a script runs in it."""
