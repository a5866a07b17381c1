"""What a visitor does on the page and sees of it, in any of the browsers. Where the page changes, these methods do."""

import json
import time

from tests.support.browsers import FAILURES
from tests.support.watching import NOTED

WAIT = 20.0
ANSWER = "article[data-role=assistant]"
QUESTION = "article[data-role=user]"
COMPOSER = "llm-chat-composer textarea"
HELP = ".llm-chat-help[open]"
MENU = "llm-chat-menu:popover-open"
DRAWER = "llm-chat-sidebar:popover-open"
UNDO = "llm-chat-undo button"
QUEUED = "[data-queued]"
LINK = "llm-chat-list .llm-chat-conversation-link"

FIND = """const find = (selector, text) => [...document.querySelectorAll(selector)].filter((element) =>
  element.checkVisibility({ visibilityProperty: true }) &&
  `${element.ariaLabel ?? ""} ${element.title} ${element.innerText}`.includes(text));"""
PLACE = """async (selector, text) => {
  const [element] = find(selector, text);
  if (!element) return null;
  element.scrollIntoView({ block: "nearest" });
  const before = element.getBoundingClientRect();
  await new Promise((resolve) => setTimeout(resolve, 20));
  const { left, top, width, height } = element.getBoundingClientRect();
  if (left !== before.left || top !== before.top) return null;
  const [x, y] = [left + width / 2, top + height / 2];
  return element.contains(document.elementFromPoint(x, y)) ? [x, y] : null;
}"""
"""Where an element can be clicked, once it stands still and nothing covers it."""


class Visitor:
    """A visitor in front of a tab."""

    def __init__(self, tab, url):
        self.tab = tab
        self.url = url

    # The page

    def open(self, path="/chat/"):
        self.tab.go(self.url + path)
        return self.connected()

    def connected(self):
        self.shows("llm-chat-connection[connected]", visible=False)
        return self

    def reload(self):
        self.open(self.js("() => location.pathname"))

    def speak(self, language):
        """Read the page in another language."""
        self.js("(language) => { document.cookie = `django_language=${language}; path=/`; }", language)
        self.reload()
        self.shows(f"html[lang={language}]")

    def js(self, function, *values):
        """Call a function in the page, with values that JSON has; return what its promise becomes."""
        call = f"({function})(...{json.dumps(values)})"
        return json.loads(self.tab.run(f'(async () => {{ {FIND} return JSON.stringify(await {call}) ?? "null"; }})()'))

    def wait(self, function, *values):
        """Wait until a function returns something, and return that."""
        deadline, failure = time.monotonic() + WAIT, None
        while time.monotonic() < deadline:
            try:
                if found := self.js(function, *values):
                    return found
            except FAILURES as error:  # the page is being left
                failure = error
            time.sleep(0.02)
        seen = f"\n{failure}" if failure else self.js("() => document.body.innerText")
        raise AssertionError(f"The page never came to {values or function}. It shows:\n{seen}")

    def shows(self, selector, text="", visible=True):
        """Wait for an element with a text or a name."""
        every = "(selector) => document.querySelector(selector) !== null"
        return self.wait("(selector, text) => find(selector, text).length", selector, text) if visible else (
            self.wait(every, selector)
        )  # fmt: skip

    def hides(self, selector, text=""):
        """Wait until there is no such element."""
        self.wait("(selector, text) => find(selector, text).length === 0", selector, text)

    def texts(self, selector):
        return self.js("(selector) => find(selector, '').map((element) => element.innerText.trim())", selector)

    def box(self, selector):
        """Return where the first such element is: left, top, width, height."""
        self.shows(selector)
        script = "(selector) => { const { x, y, width, height } = find(selector, '')[0].getBoundingClientRect();"
        return self.js(script + " return [x, y, width, height]; }", selector)

    def style(self, selector, name, part=None):
        script = "(selector, name, part) => getComputedStyle(find(selector, '')[0], part)[name]"
        return self.js(script, selector, name, part)

    def has_focus(self, selector):
        """Wait until the focus is on, or in, such an element."""
        self.wait("(selector) => document.activeElement.closest(selector) !== null", selector)

    def complaints(self):
        """Return what the page's console said, as far as the page itself can tell."""
        return (self.js(f"() => localStorage.getItem('{NOTED}')") or "").splitlines()

    def forgive(self):
        """Forget the complaints."""
        self.js(f"() => localStorage.removeItem('{NOTED}')")

    # Mouse and keyboard

    def click(self, selector, text=""):
        self.tab.click(*self.wait(PLACE, selector, text))

    def hover(self, selector, text=""):
        self.tab.move(*self.wait(PLACE, selector, text))

    def press(self, chord):
        self.tab.press(chord)

    def fill(self, selector, text):
        """Replace the text of a field."""
        self.click(selector)
        self.press("Control+a")
        self.tab.type(text)

    # Talking

    def ask(self, text):
        self.fill(COMPOSER, text)
        self.press("Enter")

    def answered(self, text, status="complete"):
        """Wait until the last answer has a text, and has ended in a way."""
        script = """(selector, text, status) => {
          const answer = [...document.querySelectorAll(selector)].at(-1);
          return answer?.dataset.status === status && answer.querySelector("[data-parts]").innerText.trim() === text;
        }"""
        self.wait(script, ANSWER, text, status)
        if status != "running":
            self.shows("llm-chat:not([streaming])", visible=False)

    def talk(self, script, question, answer):
        """Ask, and be answered."""
        self.ask(question)
        self.reply(script, answer)

    def reply(self, script, answer):
        """Let the model answer, and wait until the page has all of it."""
        reply = script.next_reply()
        reply.say(answer)
        reply.finish()
        self.shows(f"llm-chat:not([streaming]) {ANSWER}[data-status=complete]")

    def stop(self):
        self.click("llm-chat-composer button", "Stop")

    def edit(self, text):
        """Ask the last question again in other words."""
        self.click(f"{QUESTION}:nth-last-of-type(2) [data-action=edit]")
        self.fill("llm-chat-edit textarea", text)
        self.click("llm-chat-edit button[type=submit]")

    def retry(self):
        self.click(f"{ANSWER}:last-of-type [data-action=retry]")

    def choose(self, direction):
        """Go to the previous or the next version of what has versions."""
        self.click("[data-action=select]", direction)

    # The list

    def titles(self):
        return self.texts(LINK)

    def follow(self, title):
        self.click(LINK, title)
        self.wait("(title) => document.querySelector('h1').textContent === title", title)
        self.connected()

    def options(self, title):
        """Open the menu of a conversation."""
        self.hover(LINK, title)
        self.click("llm-chat-list [data-action=options]", title)
        self.shows(MENU)

    def rename(self, title, new):
        self.options(title)
        self.click(f"{MENU} [data-action=rename]")
        self.fill("llm-chat-rename input", new)
        self.press("Enter")
        self.hides("llm-chat-rename")

    def delete(self, title):
        self.options(title)
        self.click(f"{MENU} [data-action=delete]")
        self.shows(UNDO)

    def search(self, text):
        self.fill("[name=q]", text)
        self.shows("[data-found]")

    def open_drawer(self):
        self.click("[popovertarget=llm-chat-sidebar]")
        self.shows(DRAWER)

    def help(self):
        """Ask for the list of keys, with the focus outside of fields."""
        self.click("[role=log]")
        self.press("?")
        self.shows(HELP)

    def sign_out(self):
        self.click("[popovertarget=llm-chat-menu]")
        self.click("#llm-chat-menu form button")
        self.hides("#llm-chat-menu form button")
