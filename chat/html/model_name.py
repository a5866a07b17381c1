"""The names of models as pages show them; empty if ``CHAT["SHOW_MODEL"]`` is off."""

from ..backends.loading import default_model
from ..conf import conf


def shown_name(model: str) -> str:
    """Return what pages show of a model's name: its last part, as in ``Qwen3-8B`` for ``Qwen/Qwen3-8B``."""
    return model.rstrip("/").rpartition("/")[2] if conf.show_model else ""


def name_of_default() -> str:
    """Return the name of the model that answers new conversations; empty if its backend has none."""
    return shown_name(default_model()) if conf.show_model else ""
