"""``returns``: a value in place of a text."""

import dataclasses
import json

import msgspec
import pydantic
import pytest
from django.core.exceptions import ImproperlyConfigured

from chat import ask
from chat.backends.openai import OpenAIBackend
from chat.backends.scripted import ScriptedBackend
from chat.models import Message


@dataclasses.dataclass
class Item:
    name: str
    count: int = 1


@dataclasses.dataclass
class Order:
    """What a customer wants."""

    items: list[Item]
    note: str | None = None


class City(msgspec.Struct):
    name: str
    twins: "list[City]" = []


class Person(pydantic.BaseModel):
    name: str = pydantic.Field(max_length=10)

    @pydantic.field_validator("name")
    @classmethod
    def check(cls, name):
        if name == "boom":
            raise RuntimeError("a validator may raise anything")
        return name


VALUES = [
    (Order, '{"items": [{"name": "bell", "count": 2}, {"name": "lamp"}]}', Order([Item("bell", 2), Item("lamp")])),
    (City, '{"name": "Bonn", "twins": [{"name": "Oxford"}]}', City("Bonn", [City("Oxford")])),
    (Person, ' {"name": "Ada"}\n', Person(name="Ada")),
]


@pytest.mark.parametrize(("returns", "said", "value"), VALUES, ids=["dataclass", "msgspec", "pydantic"])
def test_the_model_gets_the_schema_and_its_text_becomes_the_value(asking, returns, said, value):
    asking.will_say(said[:5], said[5:])
    answer = ask("default", "Which?", returns=returns)
    assert (answer.status, answer.error, answer.text) == ("complete", "", said)
    assert answer.value == value
    schema = asking.requests[0].returns
    assert (schema["title"], schema["type"], set(schema["properties"])) == (
        returns.__name__,
        "object",
        set(msgspec.to_builtins(value) if returns is not Person else ["name"]),
    )


def test_a_question_without_a_type_asks_for_text(asking):
    asking.will_say("One.")
    assert (ask("default", "Count").value, asking.requests[0].returns) == (None, None)


@pytest.mark.parametrize("said", ["", "Sure: {}", '{"name": 7', '{"name": 7}', '{"name": "too long a name"}', "[]"])
def test_a_reply_of_another_form_is_a_failed_answer_without_a_value(asking, said):
    asking.will_say(*filter(None, [said]))
    answer = ask("default", "Which?", returns=Person)
    assert (answer.status, answer.error, answer.value, answer.text) == ("failed", "format", None, said)


def test_a_type_that_raises_ends_as_a_status_too(asking):
    asking.will_say('{"name": "boom"}')
    assert ask("default", "Which?", returns=Person).error == "format"


WHOLE = '{"name": "Ada"}'


@pytest.mark.parametrize(("reason", "status", "error"), [("length", "cut", ""), ("content-filter", "failed", "format")])
def test_an_answer_that_is_not_whole_is_never_parsed_even_if_it_looks_whole(asking, reason, status, error):
    import threading

    results = []
    thread = threading.Thread(target=lambda: results.append(ask("default", "Which?", returns=Person)))
    thread.start()
    reply = asking.next_reply()
    reply.say(WHOLE)
    reply.finish(reason)
    thread.join(10)
    (answer,) = results
    assert (answer.status, answer.error, answer.value, answer.text) == (status, error, None, WHOLE)


def test_an_answer_that_is_cut_off_by_its_time_is_never_parsed(asking):
    asking.will_say(WHOLE, finish=False)
    answer = ask("default", "Which?", returns=Person, timeout=0.3)
    assert (answer.status, answer.value) == ("cut", None)


def test_only_the_text_after_the_last_call_of_a_tool_is_the_value(asking, ada):
    import threading

    results = []
    options = {"returns": Person, "user": ada}
    thread = threading.Thread(target=lambda: results.append(ask("support", "Which?", **options)))
    thread.start()
    reply = asking.next_reply()
    reply.say("Let me look.")
    reply.call("manual", topic="Names")
    reply.finish()
    reply = asking.next_reply()
    reply.say(WHOLE)
    reply.finish()
    thread.join(10)
    assert results[0].value == Person(name="Ada")
    assert all(request.returns["title"] == "Person" for request in asking.requests)


@pytest.mark.parametrize("returns", [int, list[Item], dict[str, int], "Item", 7, object])
def test_a_type_that_is_no_object_with_fields_is_an_error(db, returns):
    with pytest.raises(TypeError, match=r"returns must be a dataclass, a msgspec\.Struct or a pydantic model, got "):
        ask("default", "Which?", returns=returns)


def test_a_backend_that_cannot_return_values_is_an_error_before_anything_is_stored(asking, monkeypatch):
    monkeypatch.setattr(ScriptedBackend, "structured", False)
    with pytest.raises(ImproperlyConfigured, match=r'"default" of the assistant "default" cannot return a value'):
        ask("default", "Which?", returns=Person)
    assert Message.objects.count() == 0


def body_of(returns, **options):
    from chat.backends.base import Request
    from chat.engine.returns import form_of

    backend = OpenAIBackend(model="m", api_key="sk-made-up", **options)
    return backend._request_body(Request([{"role": "user", "content": "Hi"}], returns=form_of(returns).schema))


def test_openais_endpoint_gets_a_strict_schema():
    found = body_of(Order)["response_format"]
    assert (found["type"], found["json_schema"]["name"], found["json_schema"]["strict"]) == (
        "json_schema",
        "Order",
        True,
    )
    schema = found["json_schema"]["schema"]
    assert (schema["required"], schema["additionalProperties"]) == (["items", "note"], False)
    assert schema["$defs"]["Item"] == {
        "type": "object",
        "properties": {"name": {"type": "string"}, "count": {"type": "integer"}},
        "required": ["name", "count"],
        "additionalProperties": False,
    }
    assert "default" not in json.dumps(schema)


def test_a_type_that_refers_to_itself_has_an_object_at_the_root():
    schema = body_of(City)["response_format"]["json_schema"]["schema"]
    assert schema["type"] == "object"
    assert schema["properties"]["twins"]["items"] == {"$ref": "#/$defs/City"}
    assert schema["$defs"]["City"]["properties"].keys() == {"name", "twins"}


class Prices(pydantic.BaseModel):
    default: int
    by_name: dict[str, float] = {}


def test_a_type_with_names_of_the_models_own_is_not_strict():
    found = body_of(Prices)["response_format"]["json_schema"]
    assert not found["strict"]
    assert found["schema"]["properties"]["by_name"]["additionalProperties"] == {"type": "number"}
    assert found["schema"]["properties"]["default"] == {"type": "integer"}


def test_without_a_type_nothing_is_sent_about_it():
    from chat.backends.base import Request

    backend = OpenAIBackend(model="m", api_key="sk-made-up")
    assert "response_format" not in backend._request_body(Request([{"role": "user", "content": "Hi"}]))
