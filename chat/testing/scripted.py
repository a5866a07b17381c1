"""Lets a model that the test plays take the place of all models of a site."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

from django.test import override_settings

from ..backends.scripted import Script, ScriptedBackend
from ..conf import conf

_numbers = itertools.count()


@contextmanager
def scripted_model() -> Iterator[Script]:
    """Play every model of ``CHAT["BACKENDS"]``, under its alias, until the context ends.

    Yields:
        the script by which the test plays them.
    """
    name = f"test-{next(_numbers)}"
    backend = {"BACKEND": f"{ScriptedBackend.__module__}.{ScriptedBackend.__name__}", "OPTIONS": {"script": name}}
    with override_settings(CHAT={**conf.values, "BACKENDS": dict.fromkeys(conf.backends, backend)}):
        yield Script(name)
