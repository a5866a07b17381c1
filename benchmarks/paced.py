"""A site whose model writes one long answer at a fixed rate: settings, backend and text for ``benchmarks.page``."""

import asyncio
import os
from collections.abc import AsyncGenerator

from chat.backends.base import Backend, Delta, Finished, Request, Text
from chatproject.settings import *  # noqa: F403

CHAT = {"BACKENDS": {"default": {"BACKEND": "benchmarks.paced.PacedBackend"}}}

SECONDS = float(os.environ.get("PACED_SECONDS", "20"))
LENGTH = int(os.environ.get("PACED_LENGTH", "50000"))
SIZE = 5
"""Characters per delta."""

SECTION = """## {number}. Why the *sky* is blue

Sunlight is a **mixture of all colours**, and the air scatters the short waves of it far more than the long ones, so
that from every part of the sky some blue comes down to us. In `section {number}` of [the paper](https://sky.example/p)
this is called *Rayleigh scattering*, and its strength goes with $1/\\lambda^4$.

1. The light comes in, as a mixture.
2. The molecules scatter it, **blue most of all**:
   - at noon the way through the air is short,
   - at sunset it is long, and what arrives is `red`.
3. We see what is left.

| colour | wavelength | scattered | note {number} |
|:-------|-----------:|:---------:|---------------|
| violet |     400 nm |   9.4     | the eye sees little of it |
| blue   |     470 nm | **4.9**   | what we see |
| green  |     530 nm |   3.0     | `rgb(0, 255, 0)` |
| red    |     700 nm |   1.0     | at sunset |

```python
from dataclasses import dataclass


@dataclass(frozen=True)
class Ray{number}:
    \"\"\"A ray of light, and how much of it is scattered.\"\"\"

    wavelength: float = 470e-9

    def scattered(self, reference: float = 700e-9) -> float:
        # the fourth power is what makes the sky blue
        return (reference / self.wavelength) ** 4


for wavelength in (400e-9, 470e-9, 530e-9, 700e-9):
    print(f"{{wavelength * 1e9:.0f}} nm: {{Ray{number}(wavelength).scattered():.1f}}")
```

> Blue is what is scattered **most** of what our eyes see well. That is all, and it was found in 1871; what follows
> from it is told in the next section, with the same words and other numbers.

"""


def answer() -> str:
    """Return headings, paragraphs, lists, tables, quotes and code, of exactly ``LENGTH`` characters."""
    text, number = "", 0
    while len(text) < LENGTH:
        number += 1
        text += SECTION.format(number=number)
    return text[:LENGTH]


class PacedBackend(Backend):
    """Writes the answer within ``SECONDS``: sends all deltas that are due each time, so that it never falls behind."""

    @property
    def model(self) -> str:
        return "paced"

    async def stream(self, request: Request) -> AsyncGenerator[Delta, None]:
        text, loop = answer(), asyncio.get_running_loop()
        began, step = loop.time(), SECONDS * SIZE / LENGTH
        for number, start in enumerate(range(0, LENGTH, SIZE)):
            if (early := began + number * step - loop.time()) > 0:
                await asyncio.sleep(early)
            yield Text(text[start : start + SIZE])
        yield Finished("stop")
