"""A streaming AI chat for any Django site.

How a message travels::

    browser --- frame ---> consumers ---------> sockets     parse the frame, answer the request
                                                  |  ask, stop
                                                  v
       db <--- question, text, status, usage --- engine --- messages ---> backends (the model)
          ---- history ------------------------>        <--- deltas ----
                                                  |  chunks
                                                  v
                                               streams     the truth while an answer runs; afterwards the database is
                                                  |  follow(after)
                                                  v
    browser <-------------- frames ------------ sockets     text format, or html format (html, templates)

The modules are described in ``docs/architecture.md``. A module imports only from the rows above its own there. The
names of the Python API (``api.py``) are imported on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import Answer, ChatRefused, aask, ask, astream, post

__all__ = ["Answer", "ChatRefused", "aask", "ask", "astream", "post"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import a name of the Python API. Only functions need Django's apps, and only when they are called."""
    if name in __all__:
        return getattr(import_module(".api", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
