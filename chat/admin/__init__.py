"""The admin, to read: conversations with their messages, feedback, share links, processes, and what models cost."""

from . import records, usage

__all__ = ["records", "usage"]
