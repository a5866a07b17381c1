"""What the app serves over HTTP: its page, the form without a script, what is done with conversations."""

from .page import page

__all__ = ["page"]
