"""The spans of answers, with OpenTelemetry's own SDK."""

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chat.assistants import Assistant, tool
from chat.assistants.discovery import registry
from chat.engine import tracing
from chat.models import Message
from tests.support.upstream import eventually


class Shop(Assistant):
    name = "default"

    @tool
    def orders(self):
        """Orders."""
        with trace.get_tracer("the shop").start_as_current_span("query of the shop"):
            return ["canary-order"]

    @tool
    def crash(self):
        """Crashes."""
        raise ValueError("canary-exception")


@pytest.fixture
def spans(monkeypatch):
    """Record all spans, with a provider of the test's own: the global one can be set only once."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", lambda name, *version: provider.get_tracer(name))
    return exporter.get_finished_spans


def named(spans, name):
    return next(span for span in spans() if span.name == name)


async def test_an_answer_its_calls_of_the_model_and_its_tools_are_one_trace(script, connect, spans):
    with registry.replaced(Shop):
        socket = await connect()
        request = await socket.ask("canary-question")
        reply = await script.anext_reply()
        reply.call("orders")
        reply.finish("tool-calls", {"prompt_tokens": 7, "completion_tokens": 3})
        reply = await script.anext_reply()
        reply.say("canary-answer")
        reply.finish("stop", {"prompt_tokens": 20, "completion_tokens": 5})
        await socket.chunks(request)
        await eventually(lambda: len(spans()) == 5)
    answer = named(spans, "invoke_agent default")
    message = await Message.objects.aget(role="assistant")
    assert dict(answer.attributes) == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "default",
        "gen_ai.conversation.id": str(message.conversation_id),
        "django_llm_chat.answer.id": message.pk,
        "django_llm_chat.status": "complete",
        "gen_ai.usage.input_tokens": 27,
        "gen_ai.usage.output_tokens": 8,
    }
    calls = [span for span in spans() if span.attributes.get("gen_ai.operation.name") == "chat"]
    assert [(span.kind, *span.attributes["gen_ai.response.finish_reasons"]) for span in calls] == [
        (trace.SpanKind.CLIENT, "tool-calls"),
        (trace.SpanKind.CLIENT, "stop"),
    ]
    assert [span.attributes["gen_ai.usage.input_tokens"] for span in calls] == [7, 20]
    tool_call = named(spans, "execute_tool orders")
    assert tool_call.attributes["gen_ai.tool.name"] == "orders"
    assert {span.parent.span_id for span in (*calls, tool_call)} == {answer.context.span_id}
    assert named(spans, "query of the shop").parent.span_id == tool_call.context.span_id
    assert "canary" not in "".join(span.to_json() for span in spans() if span.name != "query of the shop")


async def test_failures_are_marked_with_codes_and_without_words(script, connect, spans):
    with registry.replaced(Shop):
        socket = await connect()
        request = await socket.ask("Crash")
        reply = await script.anext_reply()
        reply.call("crash")
        reply.finish("tool-calls")
        reply = await script.anext_reply()
        reply.fail("refused")
        await socket.chunks(request)
        await eventually(lambda: len(spans()) == 4)
    assert named(spans, "execute_tool crash").attributes["error.type"] == "failed"
    assert named(spans, "invoke_agent default").attributes["error.type"] == "refused"
    failed = [span for span in spans() if span.status.status_code is trace.StatusCode.ERROR]
    assert len(failed) == 3
    assert "canary" not in "".join(span.to_json() for span in spans())


async def test_an_answer_that_is_stopped_has_not_failed(script, connect, spans):
    socket = await connect()
    request = await socket.ask("One")
    reply = await script.anext_reply()
    reply.say("Uno")
    await socket.chunk(request, "text-delta")
    await socket.abort(request)
    await eventually(lambda: len(spans()) == 2)
    assert named(spans, "invoke_agent default").attributes["django_llm_chat.status"] == "stopped"
    assert [span for span in spans() if "error.type" in span.attributes] == []


async def test_without_opentelemetry_answers_are_the_same(script, connect, monkeypatch):
    monkeypatch.setattr(tracing, "trace", None)
    socket = await connect()
    request = await socket.ask("One")
    (await script.anext_reply()).finish()
    assert (await socket.chunks(request))[-1]["type"] == "finish"
