"""The admin: conversations, feedback, share links, processes and what models cost, to read; answers, to stop."""

from . import answers, records, usage

__all__ = ["answers", "records", "usage"]
