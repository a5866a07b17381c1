"""The chat among the style sheets of others: neither side changes what the other looks like (E04, E05)."""

import re

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from csp.constants import SELF

from tests.browser.conftest import console, site, unsafe, visit  # noqa: F401 (fixtures)
from tests.existing.hosts import LOOKS

ANSWER = """# A heading

A paragraph with **strong**, *emphasis*, `code`, a [link](https://example.org/) and a ~~mistake~~.

1. one
2. two

- a
- [x] done

> A quotation

| a | b |
|---|--:|
| 1 | 2 |

```python
def f(x):
    return "text"
```

---

Formula: $x^2$
"""
POLICY = {
    **{f"{kind}-src": [SELF] for kind in ("default", "script", "style", "connect")},
    "img-src": [SELF, "data:"],  # the pictures that these style sheets have in them
}
CHANGES = """([elements, sheets]) => {
  const seen = ["color", "background-color", "background-image", "font-family", "font-size", "font-style",
    "font-weight", "letter-spacing", "line-height", "list-style-type", "opacity", "text-align", "text-decoration-line",
    "text-transform", "white-space-collapse", "cursor", "box-shadow", "border-top-left-radius",
    ...["top", "right", "bottom", "left"].map((side) => `border-${side}-width`)];
  const found = [...document.querySelectorAll(elements)].filter((element) => element.checkVisibility());
  const looks = (element) => {
    const style = getComputedStyle(element);
    const [one, box] = [found[0], element].map((each) => each.getBoundingClientRect());
    const sizes = box.width * box.height ? [box.x - one.x, box.y - one.y, box.width, box.height] : [];
    return { box: sizes.map(Math.round), ...Object.fromEntries(seen.map((name) => [name, style[name]])) };
  };
  const differ = (one, other) => Array.isArray(one)
    ? one.length !== other.length || one.some((size, n) => Math.abs(size - other[n]) > 2) // pixels
    : one !== other;
  const before = found.map(looks);
  const links = [...document.querySelectorAll(sheets)];
  for (const link of links) link.disabled = true;
  const after = found.map(looks);
  for (const link of links) link.disabled = false;
  const name = ({ localName, classList }) => [localName, ...classList].join(".");
  return found.flatMap((element, n) => Object.keys(before[n])
    .filter((property) => differ(before[n][property], after[n][property]))
    .map((property) => `${name(element)}: ${property}: ${before[n][property]}, alone ${after[n][property]}`));
}"""
"""Return what a visitor sees of each element that is visible, with some style sheets and without them."""


OWN = {"pico": r"label: cursor|input: (background-image|opacity)|button\.llm-chat-tool: border-top-left-radius"}
"""What a look keeps in the chat, by selectors that weigh more: a list's checkboxes, and corners that nobody sees."""


@pytest.fixture
def shown(request, script, site, settings, visit, styles, console):  # noqa: F811
    """Show an answer of everything in one of the looks."""
    settings.ROOT_URLCONF = "tests.existing.hosts"
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": POLICY}
    look, scheme = request.param
    chat = visit(site.url).open(f"/looks/{look}/?scheme={scheme}")
    chat.talk(script, answer=ANSWER)
    chat.composer.fill("a draft")
    chat.page.mouse.move(0, 0)
    yield chat
    assert console == []


CASES = [(look, scheme) for look in LOOKS for scheme in ("light", "dark")]
cases = pytest.mark.parametrize("shown", CASES, ids=[" ".join(case) for case in CASES], indirect=True)


@cases
def test_e05_the_style_sheets_of_the_host_change_nothing_in_the_chat(shown):
    look = shown.page.url.split("/")[-2]
    changes = shown.page.evaluate(CHANGES, ["llm-chat, llm-chat *", "link[data-host]"])
    assert [change for change in changes if not re.match(OWN.get(look, "$"), change)] == []


@cases
def test_e04_those_of_the_chat_change_nothing_of_the_host(shown):
    assert shown.page.evaluate(CHANGES, [".host, .host *", 'link[href*="llm_chat"]']) == []


@cases
def test_e05_axe_finds_nothing_wrong_in_the_chat(shown):
    shown.page.evaluate(AXE_SCRIPT)
    found = shown.page.evaluate("() => axe.run('llm-chat', { resultTypes: ['violations'] })")["violations"]
    assert [(rule["id"], [node["html"][:200] for node in rule["nodes"]]) for rule in found] == []
