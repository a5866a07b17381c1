"""Fuzzes the rendering with hostile texts, each in a process of its own with a small stack.

``python -m tests.html.markdown.fuzz --seconds 20`` renders random texts for 20 s, ``--texts 2000`` that many;
``--seed 7`` begins with the text of that seed, and the next one has the seed 8. If a process died, the engine was too
slow or a letter was lost, it prints the seed of the text, and the exit code is 1. Texts that it found are kept in
``found.py``, and tested with all other tests.
"""
