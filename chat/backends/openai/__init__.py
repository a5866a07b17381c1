"""Models behind the API of OpenAI, or one that is compatible with it."""

from .backend import OpenAIBackend

__all__ = ["OpenAIBackend"]
