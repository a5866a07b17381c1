"""Texts that strain a Markdown engine: all constructs that it nests or scans, repeated, nested, alone and mixed."""

# ruff: noqa: RUF001

from random import Random

LONGEST = 200_000
"""Characters of the longest text; a longer one is never passed to the engine."""

ATOMS = (
    # addresses
    *(
        "a@b.c ",
        "a@b.c",
        "a@b.c\n",
        "a.b@c.d,",
        "mailto:a@b.c ",
        "xmpp:a@b.c/d ",
        "http://a.b ",
        "https://a.b/c?d=e&f ",
        "www.a.b ",
    ),
    *(
        "<a@b.c>",
        "<http://a.b>",
        "http://a.b)",
        "http://a.b(",
        "://",
        "www.",
        "@",
        "a:b",
        "a.",
        "ftp://a ",
        "http://a_b_c",
    ),
    # emphasis
    *(
        "*a ",
        "a* ",
        "**a",
        "_a_",
        "__a ",
        "***",
        "*a**b*",
        "~~a~~ ",
        "~a~ ",
        "~",
        "。**a",
        "*_",
        "_*a",
        "*",
        "_",
        "a*b_c",
    ),
    # links, images, references, footnotes
    *(
        "[",
        "]",
        "[]",
        "![",
        "[a](",
        "[a](b)",
        "[a](<b",
        "[a](b 'c",
        "[a][b]",
        "[[",
        "[](",
        "](",
        "(",
        ")",
        ")!",
        "![a](b)",
    ),
    *("[^1]", "[^1]: a\n", "[a]: http://b\n", "[a]:", "[a]: <http://b> 'c'\n", "![[a](b)](c)", "[*a](b)", "![*a"),
    # code
    *("`", "``", "`a", "`a`", "```\n", "```py\n", "~~~\n", "    a\n", "`` ` ", "```a`\n"),
    # maths
    *(
        "$",
        "$a$",
        "$ a$",
        "$$",
        "$$a$$",
        "\\(",
        "\\)",
        "\\(a\\)",
        "\\[",
        "\\]",
        "\\[a\\]",
        "$`a`$",
        "$\\frac{a}{b}$",
        "$1 ",
    ),
    # HTML and entities
    *(
        "<",
        "<a",
        "<div>",
        "</div>",
        "<!--",
        "-->",
        "<?",
        "<![CDATA[",
        "<!A",
        "<a b='",
        "<br>",
        "&",
        "&amp;",
        "&#8203;",
        "a&#64;b.c ",
        "&commat;",
        "&#1",
    ),
    # blocks
    *(
        "> ",
        ">",
        "- ",
        "* ",
        "+ a\n",
        "1. ",
        "1) a\n",
        "- [ ] a\n",
        "# ",
        "# a\n",
        "a\n===\n",
        "---\n",
        "***\n",
        "- - ",
    ),
    *("> - ", "\t", "  ", "    ", "\n", "\n\n", "a  \n", "a\\\n", "- a\n\n", "-\n", ":", ": a\n"),
    # tables
    *("|", "|a", "|a|b|\n", "|-|-|\n", "|a|b|\n|-|-|\n", "a|b\n-|-\n", "\\|", "|:-:", "|`a|b`"),
    # letters
    *("a", "a ", "é", "😀", "中", "ا", "\\", "\\*", "!", ".", "\u200b", "\x00", "\ud800", "\ufdd0", "\r", "a\u0301"),
)
NESTED = (
    *((">", ""), ("> ", "\n"), ("- ", "\n"), ("1. ", "\n"), ("> - ", "\n"), ("[", "]"), ("![", "](b)"), ("[", "](b)")),
    *(("*", "*"), ("**", "**"), ("*a **", "***"), ("_", "_"), ("~~", "~~"), ("<b>", "</b>"), ("(", ")"), ("`", "`")),
    *(("$", "$"), ("\\(", "\\)"), ("$\\sqrt{", "}$"), ("{", "}"), ("\\frac{", "}{a}"), ("\\left(", "\\right)")),
    *(("a@b.c [", "](d)"), ("[^", "]"), ("<", ">"), ("http://a.b/(", ")"), ("|", "|"), ("_{", "}"), ("^{", "}")),
)
FRAMES = (
    *(
        "{}",
        "> {}",
        "- {}",
        "1. {}",
        "# {}",
        "|{}|\n|-|\n",
        "|a|\n|-|\n|{}|\n",
        "$$\n{}\n$$",
        "```math\n{}\n```",
        "${}$",
    ),
    *(
        "```py\n{}\n```",
        "```js\n{}",
        "[{}](http://a.b)",
        "![{}](http://a.b)",
        "**{}**",
        "`{}`",
        "[a]: http://b/{}\n\n[a]",
    ),
    *(
        "a[^1]\n\n[^1]: {}",
        "<{}>",
        "http://a.b/{}",
        "{}@b.c",
        "a\n\n{}\n\nb",
        "- a\n\n  {}",
        "> > {}",
        "\\[{}\\]",
        "[x]: {}",
    ),
)


def hostile_text(random: Random) -> str:
    """Make one text, which depends on the state of ``random`` only."""
    length = int(10 ** random.uniform(1.5, 5.301))
    shape = random.choice((_repeated, _alternating, _nested, _soup, _growing, _rows))
    text = shape(random, length)
    for _ in range(random.choice((0, 0, 1, 2))):
        text = random.choice(FRAMES).replace("{}", text)
    if random.random() < 0.3:
        text = f"{text}{random.choice(('', chr(10), chr(10) * 2))}{hostile_text(random)}"
    return text[:LONGEST]


def _repeated(random: Random, length: int) -> str:
    atom = random.choice(ATOMS)
    return atom * (length // len(atom) + 1)


def _alternating(random: Random, length: int) -> str:
    """Alternate between a few of one atom and a few of another, or put all of the first before all of the others."""
    atoms = random.sample(ATOMS, random.randint(2, 4))
    times = 1 if random.random() < 0.6 else random.randint(1, max(1, length // 20))
    piece = "".join(atom * times for atom in atoms)
    return piece * (length // len(piece) + 1)


def _nested(random: Random, length: int) -> str:
    opening, closing = random.choice(NESTED)
    times = length // (len(opening) + len(closing)) + 1
    closed = random.choice((times, times, 0, times // 2))
    return opening * times + random.choice(("a", "", "a@b.c", "$a$")) + closing * closed


def _soup(random: Random, length: int) -> str:
    atoms = random.sample(ATOMS, random.randint(2, 30))
    return "".join(random.choices(atoms, k=max(1, length // 4)))


def _growing(random: Random, length: int) -> str:
    """Repeat an atom once, twice, three times ..., with something between; an indented one makes nested lists."""
    atom, between = (
        random.choice(("`", "~", "*", ">", "  ", "[", "#", "(", "$", "|a")),
        random.choice(("a ", "a\n", "- a\n")),
    )
    pieces: list[str] = []
    size = 0
    while size < length:
        pieces.append(atom * len(pieces) + between)
        size += len(pieces[-1])
    return "".join(pieces)


def _rows(random: Random, length: int) -> str:
    """Make a table, or lines that look like one."""
    columns = int(10 ** random.uniform(0, 2.5))
    cell = random.choice(ATOMS).replace("\n", " ")
    row = f"|{cell}" * columns + random.choice(("|", "")) + "\n"
    short = f"|{cell}|\n" if random.random() < 0.3 else row
    head = row + "|-" * columns + "|\n"
    return head + short * ((length - 2 * len(row)) // len(short) + 1)
