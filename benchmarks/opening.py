"""The time of the page of a long conversation beside that of a shorter one: ``make bench-opening``.

``python -m benchmarks.opening --rounds 200``. The view of the app's own page in this process, database and templates
included, by Django's test client against SQLite. The budget of 1,000 messages is 1.3 times that of 50.
"""

import argparse
import os
import statistics
import tempfile
import time

from .harness import ROOT

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
    """Conversations of so many messages each."""
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


def measure(rounds: int) -> dict[int, float]:
    """The median time of each length's page in milliseconds; they alternate, to meet the same hour of the machine."""
    from django.test import Client

    from chat.owners import VISITOR

    client = Client(headers={"host": "localhost"})
    client.get("/chat/")
    seed(f"visitor:{client.session[VISITOR]}")
    times: dict[int, list[float]] = {length: [] for length in LENGTHS}
    for number in range(rounds + 5):
        for length in LENGTHS:
            began = time.perf_counter()
            response = client.get(f"/chat/n{length}/")
            took = time.perf_counter() - began
            assert response.status_code == 200 and response.content.count(b"<article") > 50 // 2
            if number >= 5:  # the first rounds fill caches
                times[length].append(took * 1e3)
    return {length: statistics.median(took) for length, took in times.items()}


def main() -> None:
    """Set up a site with a database of its own, and measure."""
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
        found = measure(args.rounds)
    short, long = (found[length] for length in LENGTHS)
    print(f"{LENGTHS[0]} messages {short:6.1f} ms   {LENGTHS[1]} messages {long:6.1f} ms   x {long / short:4.2f}")


if __name__ == "__main__":
    main()
