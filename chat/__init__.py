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

The modules are described in ``docs/architecture.md``. A module imports only from the rows above its own there.
"""

__version__ = "0.1.0"
