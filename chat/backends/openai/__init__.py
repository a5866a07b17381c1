"""Models behind OpenAI's API, or a compatible one."""

from .backend import OpenAIBackend

__all__ = ["OpenAIBackend"]
