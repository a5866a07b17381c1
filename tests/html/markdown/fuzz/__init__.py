"""A fuzz of the rendering: hostile texts, each rendered in a process of its own with a small stack.

``python -m tests.html.markdown.fuzz --seconds 20`` renders random texts for 20 s, ``--texts 2000`` that many;
``--seed 7`` begins with the text of that seed, the next one has the seed 8. It ends with the exit code 1 where a
process died, the engine was too slow, or a letter was lost, and prints the seed of each such text. What it found is
kept in ``found.py``, and tested with all other tests.
"""
