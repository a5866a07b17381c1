"""Limits of what is rendered. Beyond them a text is shown plain; each limit has a test."""

MAX_TEXT = 200_000
"""Characters of Markdown; 50,000 take a few milliseconds each time they are rendered."""

MAX_DEPTH = 100
"""Nested elements in one block. Browsers flatten them at 512, and the sanitiser's time grows with the square."""

MAX_CELLS = 20_000
"""Cells of all tables in a text. More would block the process: the engine holds the interpreter's lock meanwhile."""

MAX_COLUMNS = 100
MAX_MISSING_CELLS = 10_000
"""Columns of a table, and cells that are added to short rows: 50 kB of them under 500 columns become 83 MB of HTML."""

MAX_DEFINITIONS = 1_000
"""Link reference definitions that work; later ones are only shown."""

MAX_ADDRESSES = 100
"""At signs in one line that can make e-mail addresses; the engine needs up to 340 bytes of stack for each."""

MAX_SCANNED = 100_000_000
"""Characters that the engine reads to find the ends of addresses: for each address up to the next white space."""

MAX_FORMULAS = 1_000
"""Formulas in a text."""

MAX_FORMULA = 1_000
MAX_FORMULA_DEPTH = 50
"""Characters and nested elements of a formula; beyond them its source is shown in place of MathML."""

MAX_CITATIONS = 1_000
"""Citations in a text; with more, none is a link. Each link has the address and the title of its source."""

MAX_CODE = 20_000
MAX_CODE_LINE = 1_000
"""Characters of a highlighted code block, and of each of its lines; a longer block stays plain."""

MAX_LEXING = 0.5
"""Seconds of CPU time for one code block. Most take a tenth of it; 20,000 blank lines of C would take minutes."""

MAX_GROWTH = 8
MAX_EXTRA = 20_000
"""HTML may have ``MAX_GROWTH`` times as many characters as its text, plus ``MAX_EXTRA``."""


class TooLargeError(Exception):
    """The text would become more HTML than a page should hold."""
