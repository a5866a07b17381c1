"""Price tables: what a call costs, and what is wrong with a table."""

from decimal import Decimal

import pytest

from chat import prices
from chat.conf import Conf
from chat.prices import Prices
from chat.tokens import Tokens

TABLE = {
    "currency": "EUR",
    "models": {
        "gpt-4o-mini": {"input": "0.15", "cached": "0.075", "output": "0.60"},
        "gpt-*": {"input": 1, "output": 2},
        "gpt-4o*": {"input": 3, "output": 4.5},
        "*": {"input": "0", "output": "0"},
    },
}


@pytest.fixture
def without_library(monkeypatch):
    """Hide the library, which the tests have."""
    prices._library.cache_clear()
    monkeypatch.setattr(prices, "find_spec", lambda name: None)
    yield
    prices._library.cache_clear()


def test_cached_tokens_have_their_own_price():
    price = Prices(TABLE).find("gpt-4o-mini")
    assert price.cost(Tokens(1_000_000, 400_000, 100_000)) == Decimal("0.09") + Decimal("0.03") + Decimal("0.06")
    assert price.cost(Tokens(1_000_000, None, 0)) == Decimal("0.15")
    assert price.frozen == {"input": "0.15", "cached": "0.075", "output": "0.60"}
    assert price.currency == "EUR"


def test_without_a_price_of_their_own_they_cost_as_others():
    price = Prices(TABLE).find("gpt-4o")
    assert price.cost(Tokens(1_000_000, 400_000, 1_000_000)) == Decimal("7.5")
    assert price.frozen == {"input": "3", "output": "4.5"}


def test_the_exact_name_comes_first_and_then_the_longest_beginning():
    found = Prices(TABLE)
    figures = {name: found.find(name).input for name in ("gpt-4o-mini", "gpt-4o-mini-2", "gpt-5", "llama")}
    assert {name: str(figure) for name, figure in figures.items()} == {
        "gpt-4o-mini": "0.15",
        "gpt-4o-mini-2": "3",
        "gpt-5": "1",
        "llama": "0",
    }


@pytest.mark.parametrize("tokens", [Tokens(), Tokens(5, None, None), Tokens(None, None, 5)])
def test_what_is_not_known_has_no_cost(tokens):
    assert Prices(TABLE).find("gpt-5").cost(tokens) is None
    assert Prices({}).find("gpt-4o-mini").cost(tokens) is None


def test_a_model_without_a_price_has_none():
    assert Prices({"currency": "EUR", "models": {"gpt-5": {"input": 1, "output": 1}}}).find("gpt-4o-mini") is None
    assert Prices({}).find("SmolLM2-135M-Instruct") is None
    assert Prices({}).find("") is None


@pytest.mark.parametrize("table", [{}, {"currency": "USD"}, {"currency": "USD", "models": {}}])
def test_the_library_counts_in_its_own_currency(table):
    price = Prices(table).find("gpt-4o-mini")
    assert price.currency == "USD"
    assert price.cost(Tokens(1_000_000, 0, 0)) > 0
    assert price.cost(Tokens(1_000_000, 1_000_000, 0)) < price.cost(Tokens(1_000_000, 0, 0))
    assert price.frozen["source"].startswith("genai-prices ")
    assert Decimal(price.frozen["input"]) * 1 == price.cost(Tokens(1_000_000, 0, 0))


def test_the_library_does_not_count_for_a_server_of_the_sites_own():
    assert Prices({}).find("gpt-oss-20b", "https://api.openai.com/v1") is not None
    assert Prices({}).find("gpt-oss-20b", "http://127.0.0.1:11434/v1") is None


def test_without_the_library_its_prices_are_not_known(without_library):
    assert Prices({}).find("gpt-4o-mini") is None


WRONG = {
    "a list": ([], " must be a dictionary like"),
    "an unknown key": ({"price": "EUR"}, "['price'] is not known"),
    "no currency": (
        {"models": {"m": {"input": 1, "output": 1}}},
        '["currency"] must be three capital letters such as "EUR", got None.',
    ),
    "another currency": ({"currency": "€"}, '["currency"] must be three capital letters'),
    "models in a list": ({"currency": "EUR", "models": []}, '["models"] must be a dictionary like'),
    "a bare figure": (
        {"currency": "EUR", "models": {"m": "0.15"}},
        """["models"]['m'] must have "input" and "output\"""",
    ),
    "no output": ({"currency": "EUR", "models": {"m": {"input": 1}}}, "got {'input': 1}."),
    "an unknown price": (
        {"currency": "EUR", "models": {"m": {"input": 1, "output": 1, "reasoning": 1}}},
        """["models"]['m']['reasoning'] is not known""",
    ),
}
FIGURES = ["", "1,50", "free", "0.15 EUR", -1, "-0.1", None, True, [], "nan", "inf", "1e7"]


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_table_is_refused_with_what_is_wrong(name):
    given, sentence = WRONG[name]
    with pytest.raises(ValueError) as refused:
        Prices(given)
    assert sentence in str(refused.value)
    assert Conf.prices.complaint(given) == f'CHAT["PRICES"]{refused.value}'


@pytest.mark.parametrize("figure", FIGURES)
def test_what_is_no_figure_is_refused(figure):
    found = prices.complaint({"currency": "EUR", "models": {"m": {"input": "1", "output": figure}}})
    assert (
        found == f"""["models"]['m']["output"] must be a number from 0 to 1,000,000, such as "0.15", got {figure!r}."""
    )


@pytest.mark.parametrize("table", [TABLE, {}, {"currency": "USD"}])
def test_a_right_table_has_no_complaint(table):
    assert prices.complaint(table) == ""
