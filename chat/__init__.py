"""A streaming AI chat for any Django site.

How a message travels (a module imports only from rows above it in ``docs/architecture.md``)::

    browser frame --> consumers --parse--> sockets
                          |  ask / stop / follow
                          v
                        db, models        the truth once an answer has ended
                          |  history
                          v
                        engine ----------- messages ------------> backends (the model)
                          ^ <------------- deltas --------------- backends
                          |  append chunks          |  final parts, status, usage
                          v                         v
                        streams                   db              a stream is the truth while an answer runs
                          |  follow(after)
                          v
                        sockets --> text format | html format (html, templates)
                          |
                          v
                        frames to the browser
"""

__version__ = "0.1.0"
