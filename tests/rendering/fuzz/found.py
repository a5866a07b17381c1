"""Texts that ended a process, or kept the engine busy, before they were detected; by the name of their construct."""

FOUND = {
    "addresses on one line": "a@b.c " * 30_000,
    "addresses without spaces": "a.b@c.d," * 24_000,
    "addresses with a scheme": "mailto:a@b.c " * 15_000,
    "addresses of another scheme": "xmpp:a@b.c/d " * 15_000,
    "addresses in a quote": "> - " + "a@b.c " * 30_000,
    "addresses in a table": "|a|\n|-|\n|" + "a@b.c " * 30_000 + "|",
    "addresses in emphasis": "**" + "a@b.c " * 30_000 + "**",
    "addresses in a title": "# " + "a@b.c " * 30_000,
    "addresses in a link": "[" + "a@b.c " * 30_000 + "](http://a.b)",
    "addresses with a stack of 128 KB": "a@b.c " * 390,
    "addresses with entities as at signs": "a&#64;b.c " * 18_000,
    "addresses with entities of other spellings": "a&#x00040;b.c a&commat;b.c " * 7_000,
    "openers of formulas": "\\(" * 50_000,
    "openers of displayed formulas": "\\[" * 50_000,
    "closers behind an address": "http://a.b" + ")" * 100_000,
    "quotes": "> " * 100_000,
    "quotes without spaces": ">" * 200_000,
    "links that do not end": "[a](<b" * 30_000,
    "brackets": "[" * 200_000,
    "emphasis": "*a **b" * 30_000,
}
