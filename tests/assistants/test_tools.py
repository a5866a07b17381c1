"""Tools as a site declares them: what the model reads of them, what is refused, and which arguments fit."""

import json
from decimal import Decimal
from typing import Annotated, Literal

import pytest
from django.core.exceptions import ImproperlyConfigured
from pydantic import Field

from chat.assistants import Assistant, tool
from chat.assistants.tools import MAX_ARGUMENTS, ArgumentsError, has_tools, tools_of, wrong_tools


class Shop(Assistant):
    abstract = True

    @tool
    def orders(self, status: Literal["open", "sent"] = "open", limit: int = 20) -> list[dict]:
        """The customer's
        own orders.

        Only the newest ones.

        status: which of them; the ones
            that have left the shop are sent
        limit: how many
        """

    @tool(timeout=30, idempotent=True)
    async def parcel(self, number: Annotated[str, Field(description="of the parcel", max_length=5)]):
        """Where a parcel is."""

    def helper(self):
        """No tool."""


class Support(Shop):
    @tool
    def title(self, title: str, copy: Decimal | None = None) -> str:
        """Names that pydantic uses itself."""

    def parcel(self, number):
        """No tool here."""


def read(name, arguments, assistant=Shop):
    return tools_of(assistant)[name].read(arguments)


def test_a_model_reads_the_signature_and_the_docstring():
    found = tools_of(Shop)["orders"]
    assert (found.name, found.description) == ("orders", "The customer's own orders.")
    assert found.parameters == {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "status": {
                "type": "string",
                "enum": ["open", "sent"],
                "default": "open",
                "description": "which of them; the ones that have left the shop are sent",
            },
            "limit": {"type": "integer", "default": 20, "description": "how many"},
        },
    }


def test_the_description_of_an_annotation_counts():
    parameters = tools_of(Shop)["parcel"].parameters
    assert parameters["properties"]["number"] == {"type": "string", "description": "of the parcel", "maxLength": 5}
    assert parameters["required"] == ["number"]


def test_tools_are_inherited_and_a_method_without_the_decorator_is_none():
    assert list(tools_of(Shop)) == ["orders", "parcel"]
    assert list(tools_of(Support)) == ["orders", "title"]
    assert has_tools(Support)
    assert not has_tools(Assistant)


def test_the_options_of_a_tool_are_kept():
    options = tools_of(Shop)["parcel"].options
    assert (options.timeout, options.idempotent, options.permission) == (30, True, "")


def test_a_parameter_may_have_a_name_that_pydantic_uses():
    given, arguments = read("title", '{"title": "A", "copy": "1.50"}', Support)
    assert given == {"title": "A", "copy": "1.50"}
    assert arguments == {"title": "A", "copy": Decimal("1.50")}
    assert set(tools_of(Support)["title"].parameters["properties"]) == {"title", "copy"}


@pytest.mark.parametrize("text", ["", "  ", "null", "{}", '"{}"', '""'])
def test_a_call_without_arguments_takes_the_defaults_of_the_method(text):
    assert read("orders", text) == ({}, {})


def test_arguments_within_a_string_are_read():
    assert read("orders", json.dumps('{"status": "sent"}')) == ({"status": "sent"}, {"status": "sent"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not valid JSON"),
        ("[]", "must be a JSON object"),
        ("7", "must be a JSON object"),
        ('{"limit": NaN}', "not valid JSON"),
        ('{"limit": 1e400}', "not valid JSON"),
        ("[" * 10_000, "not valid JSON"),
        ('{"status": ' + "[" * 100 + "]" * 100 + "}", "nested too deeply"),
        ('{"status": "' + "x" * 5_000_000 + '"}', f"{MAX_ARGUMENTS} characters"),
        ('{"status": "lost"}', "status: Input should be 'open' or 'sent'"),
        ('{"limit": "many"}', "limit: Input should be a valid integer"),
        ('{"user": 7}', "user: Extra inputs are not permitted"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_with_a_sentence(text, said):
    with pytest.raises(ArgumentsError) as error:
        read("orders", text)
    assert said in str(error.value)
    assert len(str(error.value)) < 600


def test_the_sentence_about_wrong_arguments_does_not_repeat_their_values():
    with pytest.raises(ArgumentsError) as error:
        read("orders", '{"limit": "canary"}')
    assert "canary" not in str(error.value)


def test_what_json_and_databases_cannot_hold_is_replaced():
    given, arguments = read("parcel", r'{"number": "a\u0000\ud800"}')
    assert given == arguments == {"number": "a\ufffd\ufffd"}


def wrong(function):
    """Return what is said about a tool."""
    assistant = type("Wrong", (Assistant,), {function.__name__: function})
    (sentence,) = wrong_tools(assistant)
    with pytest.raises(ImproperlyConfigured):
        tools_of(assistant)
    return sentence


def test_a_tool_needs_a_docstring():
    @tool
    def orders(self):
        pass

    assert wrong(orders) == "The tool Wrong.orders needs a docstring: it tells the model what the tool does."


def test_a_lambda_lacks_a_docstring():
    class Wrong(Assistant):
        orders = tool(lambda self: [])

    assert list(wrong_tools(Wrong)) == [
        "The tool Wrong.orders needs a docstring: it tells the model what the tool does."
    ]


def test_a_lambda_with_all_that_a_method_has_is_a_tool():
    orders = lambda self, status="open": [status]  # noqa: E731
    orders.__doc__, orders.__annotations__ = "Orders.", {"status": str}

    class Right(Assistant):
        found = tool(orders)

    assert list(wrong_tools(Right)) == []
    assert tools_of(Right)["found"].read('{"status": "sent"}')[1] == {"status": "sent"}


@pytest.mark.parametrize("name", ["user", "request"])
def test_no_parameter_may_say_who_asks(name):
    def orders(self, user: str):
        """Orders."""

    def requests(self, request: str):
        """Orders."""

    assert f"may not have a parameter '{name}'" in wrong(tool(orders if name == "user" else requests))


def test_each_parameter_needs_a_type():
    @tool
    def orders(self, status):
        """Orders."""

    assert wrong(orders) == "The tool Wrong.orders needs a type for its parameter 'status'."


def test_a_type_without_a_schema_is_named():
    @tool
    def orders(self, status: type(pytest)):
        """Orders."""

    assert "The tool Wrong.orders has a parameter whose type has no JSON schema" in wrong(orders)


def test_an_annotation_that_cannot_be_read_is_named():
    @tool
    def orders(self, status: "Missing"):  # noqa: F821
        """Orders."""

    assert "has an annotation that cannot be read: name 'Missing' is not defined" in wrong(orders)


def test_parameters_without_names_are_refused():
    @tool
    def orders(self, *numbers: str):
        """Orders."""

    assert "must name each of its parameters, got *numbers: str" in wrong(orders)


def test_a_name_that_endpoints_refuse_is_refused():
    @tool
    def commandé(self):
        """Orders."""

    assert "must have a name of 1 to 64 ASCII letters" in wrong(commandé)


@pytest.mark.parametrize("options", [{"timeout": 0}, {"timeout": "1"}, {"timeout": True}, {"permission": 1}])
def test_wrong_options_are_refused_at_once(options):
    with pytest.raises(TypeError, match="@tool expects"):
        tool(**options)


@pytest.mark.parametrize("decorated", [7, "orders", type("Orders", (), {})])
def test_only_a_method_can_be_a_tool(decorated):
    with pytest.raises(TypeError, match="@tool expects a method"):
        tool(decorated)
