"""Reads the text of a PDF file of Chromium's, as far as tests need it."""

import re
import zlib

OBJECT = re.compile(rb"(\d+) 0 obj\n(.*?)\nendobj", re.DOTALL)
STREAM = re.compile(rb"stream\n(.*)\nendstream", re.DOTALL)
SHOWN = re.compile(rb"/F(\d+) [\d.]+ Tf|<([0-9A-Fa-f]+)>|(T[jJ*]|ET)\b")


def text_of(pdf: bytes) -> str:
    """Return the text of all pages without its white space; Chromium names a font after its object."""
    objects = {int(number): body for number, body in OBJECT.findall(pdf)}
    contents = [int(number) for number in re.findall(rb"/Contents (\d+) 0 R", pdf)]
    glyphs: dict[int, dict[int, str]] = {}
    text = []
    for number in contents:
        font = 0
        for name, codes, _ in SHOWN.findall(_inflated(objects[number])):
            if name:
                font = int(name)
                glyphs.setdefault(font, _glyphs(objects, font))
            for place in range(0, len(codes), 4):
                text.append(glyphs[font].get(int(codes[place : place + 4], 16), ""))
    return re.sub(r"\s", "", "".join(text))


def _inflated(body: bytes) -> bytes:
    found = STREAM.search(body)
    return zlib.decompress(found[1]) if found else b""


def _glyphs(objects: dict[int, bytes], font: int) -> dict[int, str]:
    """Return the characters of a font's glyphs, from its table ``ToUnicode``."""
    reference = re.search(rb"/ToUnicode (\d+) 0 R", objects[font])
    table = _inflated(objects[int(reference[1])]).decode() if reference else ""
    found = {}
    for section in re.findall(r"beginbfchar(.*?)endbfchar", table, re.DOTALL):
        for glyph, character in re.findall(r"<(\w+)> <(\w+)>", section):
            found[int(glyph, 16)] = bytes.fromhex(character).decode("utf-16-be")
    for section in re.findall(r"beginbfrange(.*?)endbfrange", table, re.DOTALL):
        for first, last, character in re.findall(r"<(\w+)> <(\w+)> <(\w+)>", section):
            for glyph in range(int(first, 16), int(last, 16) + 1):
                found[glyph] = chr(int(character, 16) + glyph - int(first, 16))
    return found
