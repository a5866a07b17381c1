"""What the calls of models cost: the price table ``CHAT["PRICES"]``, or else the library ``genai-prices``."""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from types import ModuleType
from typing import Any, NamedTuple, Protocol

from .tokens import Tokens

LIBRARY = "genai_prices"
LIBRARY_CURRENCY = "USD"
MILLION = 1_000_000

EXPECTED = '{"currency": "EUR", "models": {"gpt-4o-mini": {"input": "0.15", "cached": "0.075", "output": "0.60"}}}'
"""The form of the setting, for messages."""

FIGURES = ("input", "cached", "output")


class Price(Protocol):
    """The price of a model's tokens."""

    @property
    def currency(self) -> str:
        """Return the currency, as ISO 4217 names it."""

    @property
    def frozen(self) -> dict[str, Any]:
        """Return the prices of a million tokens, to be stored with what was computed with them."""

    def cost(self, tokens: Tokens) -> Decimal | None:
        """Return what a call costs; ``None`` if its input or its output is not known."""


class Listed(NamedTuple):
    """A price of the site's own table, for a million tokens. Cached ones cost as others unless they have a price."""

    currency: str
    input: Decimal
    output: Decimal
    cached: Decimal | None = None

    @property
    def frozen(self) -> dict[str, Any]:
        """Return the figures, as texts."""
        given = {name: getattr(self, name) for name in FIGURES}
        return {name: str(figure) for name, figure in given.items() if figure is not None}

    def cost(self, tokens: Tokens) -> Decimal | None:
        """Return what a call costs; ``None`` if its input or its output is not known."""
        if tokens.input is None or tokens.output is None:
            return None
        cached = tokens.cached or 0
        of_cached = self.input if self.cached is None else self.cached
        return ((tokens.input - cached) * self.input + cached * of_cached + tokens.output * self.output) / MILLION


class Public(NamedTuple):
    """A price of the library, which may depend on the length of the input. ``url`` is the provider's, if not empty."""

    model: str
    url: str = ""
    currency: str = LIBRARY_CURRENCY

    @property
    def frozen(self) -> dict[str, Any]:
        """Return the figures as texts, those that depend on the length as the library writes them, and its version."""
        price = self._calculated(Tokens(0, 0, 0)).model_price
        names = {"input": "input_mtok", "cached": "cache_read_mtok", "output": "output_mtok"}
        figures = {name: getattr(price, attribute) for name, attribute in names.items()}
        given = {name: str(figure) for name, figure in figures.items() if figure is not None}
        return {**given, "source": f"genai-prices {metadata.version('genai-prices')}"}

    def cost(self, tokens: Tokens) -> Decimal | None:
        """Return what a call costs; ``None`` if its input or its output is not known."""
        if tokens.input is None or tokens.output is None:
            return None
        return Decimal(self._calculated(tokens).total_price)

    @property
    def is_known(self) -> bool:
        """Tell whether the library has a price for the model."""
        try:
            self._calculated(Tokens(0, 0, 0))
        except (LookupError, ValueError):
            return False
        return True

    def _calculated(self, tokens: Tokens) -> Any:
        library = _library()
        if library is None:
            raise LookupError("genai-prices is not installed.")
        used = library.Usage(
            input_tokens=tokens.input, cache_read_tokens=tokens.cached or 0, output_tokens=tokens.output
        )
        provider = {"provider_api_url": self.url} if self.url else {}
        return library.calc_price(used, self.model, **provider)


class Prices:
    """The site's price table.

    Args:
        given: the value of ``CHAT["PRICES"]``. Raises ``ValueError`` if it is wrong.
    """

    def __init__(self, given: Any) -> None:
        if found := complaint(given):
            raise ValueError(found)
        self.currency: str = given.get("currency", "")
        self._models: Mapping[str, Mapping[str, Any]] = given.get("models", {})

    def find(self, model: str, url: str = "") -> Price | None:
        """Return the price of a model; ``None`` if it is not known.

        The table's own name of the model comes first, then the longest one that ends with ``*`` and begins like it. A
        model that the table lacks has the library's price, if that is in the site's currency.

        Args:
            model: the name of the model.
            url: the address of its endpoint, if the site has set one: the library knows that of each provider.
        """
        entry = self._models.get(model) or self._models.get(self._pattern(model))
        if entry is not None:
            figures = {name: _figure(entry[name]) for name in FIGURES if name in entry}
            return Listed(self.currency, **figures)  # type: ignore[arg-type]  # none is None: the setting was checked
        public = Public(model, url)
        return public if self.currency in ("", LIBRARY_CURRENCY) and model and public.is_known else None

    def _pattern(self, model: str) -> str:
        fitting = (name for name in self._models if name.endswith("*") and model.startswith(name[:-1]))
        return max(fitting, key=len, default="")


def prepare() -> None:
    """Import the library with its prices, if it is there: that takes a tenth of a second."""
    Public("any").is_known  # noqa: B018 - its first look-up builds them


@cache
def _library() -> ModuleType | None:
    if find_spec(LIBRARY) is None:
        return None
    import genai_prices

    return genai_prices


def complaint(given: Any) -> str:
    """Say what is wrong with the value of ``CHAT["PRICES"]``, as the rest of a sentence; empty if nothing is."""
    return next(_wrong(given), "")


def _wrong(given: Any) -> Iterator[str]:
    if not isinstance(given, dict):
        yield f" must be a dictionary like {EXPECTED}, got a value of type {type(given).__name__}."
        return
    for name in given.keys() - {"currency", "models"}:
        yield f'[{name!r}] is not known: the keys are "currency" and "models".'
    currency, models = given.get("currency", ""), given.get("models", {})
    if not isinstance(models, dict):
        yield f'["models"] must be a dictionary like that of {EXPECTED}, got a value of type {type(models).__name__}.'
        return
    if not isinstance(currency, str) or ((models or currency) and not re.fullmatch("[A-Z]{3}", currency)):
        yield f'["currency"] must be three capital letters such as "EUR", got {given.get("currency")!r}.'
    for model, entry in models.items():
        yield from _wrong_entry(f'["models"][{model!r}]', entry)


def _wrong_entry(place: str, entry: Any) -> Iterator[str]:
    if not isinstance(entry, dict) or not {"input", "output"} <= entry.keys():
        yield f'{place} must have "input" and "output", the prices of a million tokens, got {entry!r}.'
        return
    for name, figure in entry.items():
        if name not in FIGURES:
            yield f'{place}[{name!r}] is not known: the keys are "input", "cached" and "output".'
        elif _figure(figure) is None:
            yield f'{place}["{name}"] must be a number from 0 to 1,000,000, such as "0.15", got {figure!r}.'


def _figure(value: Any) -> Decimal | None:
    """Return a price; ``None`` if the value is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        figure = Decimal(str(value))
    except InvalidOperation:
        return None
    return figure if figure.is_finite() and 0 <= figure <= MILLION else None
