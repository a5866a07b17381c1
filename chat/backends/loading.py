"""The backends that a site has plugged, as objects: one per process and entry of ``CHAT["BACKENDS"]``."""

from django.core.exceptions import ImproperlyConfigured

from ..conf import BackendConf, conf, import_path
from .base import Backend


def backend_class(entry: BackendConf) -> type[Backend]:
    """The class of an entry. Raises ``ImproperlyConfigured``."""
    try:
        cls = import_path(entry.path)
    except ImportError as error:
        raise ImproperlyConfigured(f'The backend "{entry.path}" cannot be imported: {error}') from error
    if not (isinstance(cls, type) and issubclass(cls, Backend)):
        base = f"{Backend.__module__}.{Backend.__qualname__}"
        raise ImproperlyConfigured(f'The backend "{entry.path}" must be a subclass of {base}.')
    return cls


def make(entry: BackendConf) -> Backend:
    """The backend of an entry. Raises ``ImproperlyConfigured``."""
    cls = backend_class(entry)
    try:
        return cls(**entry.options)
    except (TypeError, ValueError) as error:
        raise ImproperlyConfigured(f'The OPTIONS of the backend "{entry.path}" are wrong: {error}') from error


def max_message_length() -> int:
    """The longest message that both the site and its model take, in characters."""
    return min(conf.max_message_length, backend_class(conf.backend()).max_message_length or conf.max_message_length)


class Backends:
    """Makes a backend on first use, and again when the setting has changed."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[BackendConf, Backend]] = {}
        self._replaced: list[Backend] = []

    def __getitem__(self, alias: str) -> Backend:
        entry = conf.backend(alias)
        made = self._made.get(alias)
        if made is None or made[0] != entry:
            if made is not None:
                self._replaced.append(made[1])
            self._made[alias] = made = (entry, make(entry))
        return made[1]

    async def close(self) -> None:
        """Close every backend that was made."""
        made = [backend for _, backend in self._made.values()] + self._replaced
        self._made.clear()
        self._replaced.clear()
        for backend in made:
            await backend.close()
