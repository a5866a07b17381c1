"""Finds the assistants of a site, once: the classes that the ``assistants`` modules of its apps define."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType

from django.apps import apps
from django.utils.module_loading import module_has_submodule

from ..conf import conf
from .base import Assistant

DEFAULT = "default"
"""The name of the assistant that answers in ``{% chat %}``."""

MODULE = "assistants"
_OURS = __package__.rpartition(".")[0]


class Settings(Assistant):
    """The assistant of a site that has none named ``default``: its instructions are ``CHAT["SYSTEM_PROMPT"]``."""

    name = DEFAULT

    def get_instructions(self) -> str:
        """Return the site's prompt, or what the callable in its place returns for the conversation."""
        prompt = conf.system_prompt
        return prompt(self.conversation) if callable(prompt) else prompt


class Registry:
    """The assistants of a site by their names."""

    def __init__(self) -> None:
        self._defined: list[type[Assistant]] | None = None

    @property
    def defined(self) -> list[type[Assistant]]:
        """Return the site's own assistants. The first use imports the modules, and raises what they raise."""
        if self._defined is None:
            self._defined = [found for module in _modules() for found in _assistants_in(module)]
        return self._defined

    def get(self, name: str) -> type[Assistant] | None:
        """Return the assistant of this name; ``None`` if the site has none. Of two, the first; a check names both."""
        named = (found for found in self.defined if name_of(found) == name)
        return next(named, Settings if name == DEFAULT else None)

    @property
    def default(self) -> type[Assistant]:
        """Return the assistant that answers in ``{% chat %}``."""
        return self.get(DEFAULT) or Settings

    @property
    def offered(self) -> list[type[Assistant]]:
        """Return those with whom a conversation can begin on the app's own page: the site's, or the default."""
        return self.defined or [Settings]

    @contextmanager
    def replaced(self, *assistants: type[Assistant]) -> Iterator[None]:
        """Let the site have these assistants instead of its own, for a test."""
        before, self._defined = self._defined, list(assistants)
        try:
            yield
        finally:
            self._defined = before


registry = Registry()


def name_of(assistant: type[Assistant]) -> str:
    """Return the name of an assistant: its own, or that of its class in lower case."""
    return assistant.name or assistant.__name__.lower()


def backends_of(assistant: type[Assistant]) -> tuple[str, ...]:
    """Return the aliases of an assistant's backends, the preferred one first."""
    return (assistant.backend,) if isinstance(assistant.backend, str) else tuple(assistant.backend)


def label_of(assistant: type[Assistant]) -> str:
    """Return what pages call an assistant: its label, or its name with spaces and a capital."""
    return str(assistant.label) or name_of(assistant).replace("-", " ").replace("_", " ").capitalize()


def _modules() -> Iterator[ModuleType]:
    for app in apps.get_app_configs():
        if app.name != _OURS and app.module is not None and module_has_submodule(app.module, MODULE):
            yield import_module(f"{app.name}.{MODULE}")


def _assistants_in(module: ModuleType) -> Iterator[type[Assistant]]:
    """Yield the assistants that a module defines, not those that it imports, in their order."""
    for found in vars(module).values():
        own = isinstance(found, type) and issubclass(found, Assistant) and found.__module__ == module.__name__
        if own and not vars(found).get("abstract", False):
            yield found
