"""The names of models as pages show them; empty if ``CHAT["SHOW_MODEL"]`` is off."""

from ..assistants import Assistant
from ..assistants.discovery import backends_of
from ..backends.loading import model_of
from ..conf import conf


def shown_name(model: str) -> str:
    """Return what pages show of a model's name: its last part, as in ``Qwen3-8B`` for ``Qwen/Qwen3-8B``."""
    return model.rstrip("/").rpartition("/")[2] if conf.show_model else ""


def model_name(assistant: type[Assistant]) -> str:
    """Return the name of the model that answers as an assistant; empty if its backend has none."""
    return shown_name(model_of(backends_of(assistant)[0])) if conf.show_model else ""
