"""A streaming AI chat for any Django site.

How a message travels (a module imports only from rows above it in ``docs/architecture.md``)::

    browser frame --> consumers --parse--> protocol
                          |  ask / stop / follow
                          v
                        store, models     the truth when an answer has ended
                          |  history
                          v
                        runs ------------- messages ------------> backends (the model)
                          ^ <------------- deltas --------------- backends
                          |  append chunks          |  final parts, status, usage
                          v                         v
                        logs                      store           a log is the truth while an answer runs
                          |  follow(after)
                          v
                        readers --> text view | html view (rendering, templates)
                          |
                          v
                        frames to the browser
"""
