"""What is rendered at all. Beyond these limits an answer is shown as plain text; each has a test."""

MAX_TEXT = 200_000
"""Characters of Markdown; 50,000 take a few milliseconds at each flush."""

MAX_DEPTH = 100
"""Elements inside each other in one block. Browsers flatten at 512; the sanitiser's time grows with the square."""

MAX_CELLS = 20_000
"""Cells of all tables in a text. More make everybody wait: the engine holds the interpreter's lock while it reads."""

MAX_COLUMNS = 100
MAX_MISSING_CELLS = 10_000
"""A row is filled up to the table's width: 50 kB of short rows under 500 columns are 83 MB of HTML."""

MAX_DEFINITIONS = 1_000
"""Link reference definitions that work; later ones are still shown."""

MAX_ADDRESSES = 100
"""At signs of one line that may make e-mail addresses; the engine needs up to 340 bytes of stack for each."""

MAX_SCANNED = 100_000_000
"""Characters that the engine reads to find where addresses end: for each of them as far as the next white space."""

MAX_FORMULAS = 1_000
"""Formulas in a text."""

MAX_FORMULA = 1_000
MAX_FORMULA_DEPTH = 50
"""Characters of a formula that is set as MathML, and its elements inside each other; beyond, its source is shown."""

MAX_CODE = 20_000
MAX_CODE_LINE = 1_000
"""Characters of a code block that is highlighted, and of a line in it; a longer one stays plain."""

MAX_LEXING = 0.5
"""Seconds of one thread's time for one code block. Most take a tenth of that; 20,000 blank lines of C take minutes."""

MAX_GROWTH = 8
MAX_EXTRA = 20_000
"""HTML may have ``MAX_GROWTH`` times the characters of its text, and ``MAX_EXTRA`` more."""


class TooLargeError(Exception):
    """The text would become more HTML than a page should hold."""
