"""The app's views: its page, the form that works without JavaScript, and the actions on conversations."""

from .page import page

__all__ = ["page"]
