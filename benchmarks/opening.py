"""The time to open a long conversation compared with a shorter one: ``make bench-opening``.

``python -m benchmarks.opening --rounds 200``. On the server it measures the app's own page, including database and
templates, with Django's test client in this process and SQLite. In the browser, with a separate server, it measures
from the address until the socket has confirmed that the page is complete. The budget for 1,000 messages is 1.3 times
that for 50.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable

from .browsing import browser_page
from .harness import ROOT, server

OPENED = (
    """addEventListener("chat:answered", () => { document.documentElement.dataset.opened ??= performance.now(); })"""
)
LENGTHS = (50, 1000)
ANSWER = """**Short waves** are scattered *more* than long ones, see [Rayleigh](https://example.org/{number}).

- blue light has a wavelength of about `450 nm`, red light one of about `700 nm`
- the strength grows with the fourth power of the frequency, which makes a factor of almost six
- the air's molecules are much smaller than either of them

```python
def strength(wavelength: float) -> float:
    return wavelength**-4  # relative
```

So the light that comes from all over the sky is mostly blue, and what is left of the sun's own light, when it has come
a long way through the air in the evening, is what was not scattered: yellow, orange, and at last red. ({number})
"""


def seed(owner: str) -> None:
    """Store one conversation for each number of messages."""
    from django.utils import timezone

    from chat.models import Conversation

    for length in LENGTHS:
        name = f"n{length}"
        conversation = Conversation.objects.create(owner=owner, uid=name, title=name, updated_at=timezone.now())
        parent = None
        for number in range(length):
            text = ANSWER.format(number=number) if number % 2 else f"Why is the sky blue, for the {number}th time?"
            role = "assistant" if number % 2 else "user"
            parts = [{"type": "text", "text": text}]
            parent = conversation.message_set.create(uid=f"h{number}", role=role, text=text, parts=parts, parent=parent)
        Conversation.objects.filter(pk=conversation.pk).update(tip=parent)


def alternate(rounds: int, open_page: Callable[[str], float]) -> dict[int, float]:
    """Return the median time of each length's page in milliseconds; lengths alternate, to share the machine's load."""
    times: dict[int, list[float]] = {length: [] for length in LENGTHS}
    for number in range(rounds + 5):
        for length in LENGTHS:
            took = open_page(f"/chat/n{length}/")
            if number >= 5:  # the first rounds fill caches
                times[length].append(took)
    return {length: statistics.median(took) for length, took in times.items()}


def on_the_server(client) -> Callable[[str], float]:
    """Return a function that measures Django's view, in milliseconds."""

    def open_page(path: str) -> float:
        began = time.perf_counter()
        response = client.get(path)
        took = time.perf_counter() - began
        assert response.status_code == 200 and response.content.count(b"<article") > 50 // 2
        return took * 1e3

    return open_page


def in_the_browser(page, url: str) -> Callable[[str], float]:
    """Return a function that measures from the address to an up-to-date page, in milliseconds."""

    def open_page(path: str) -> float:
        page.goto(url + path)
        page.wait_for_selector("html[data-opened]", state="attached")
        return float(page.locator("html").get_attribute("data-opened"))

    return open_page


def tell(place: str, found: dict[int, float]) -> None:
    """Print the times, and their ratio to the shorter conversation."""
    for length, took in found.items():
        print(f"{place:8} {length:5} messages {took:6.1f} ms   x {took / found[LENGTHS[0]]:4.2f}")


def main() -> None:
    """Set up a site with a separate database, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, help="views of each page")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(DATA_DIR=folder, DJANGO_SETTINGS_MODULE="chatproject.settings")
        os.chdir(ROOT)
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        from django.test import Client

        from chat.owners import VISITOR

        client = Client(headers={"host": "localhost"})
        client.get("/chat/")
        seed(f"visitor:{client.session[VISITOR]}")
        tell("server", alternate(args.rounds, on_the_server(client)))
        with server("chatproject.asgi:application", DATA_DIR=folder) as (port, _), browser_page() as page:
            url, session = f"http://127.0.0.1:{port}", client.cookies["sessionid"].value
            page.context.add_cookies([{"name": "sessionid", "value": session, "url": url}])
            page.add_init_script(OPENED)
            tell("browser", alternate(args.rounds // 5, in_the_browser(page, url)))


if __name__ == "__main__":
    main()
