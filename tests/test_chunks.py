"""The values of a stream as they are on the wire, byte for byte."""

import msgspec
import pytest

from chat import chunks, parts
from chat.html.markdown import BlockPatch
from chat.html.message_chunks import patch_chunk

encode = msgspec.json.Encoder().encode


def data(kind, text):
    """Write a transient data chunk as it should be encoded."""
    return f'{{"type":"data-{kind}","data":{text},"transient":true}}'


PLAIN = {
    '{"type":"start","messageId":"a1"}': chunks.Start("a1"),
    '{"type":"start-step"}': chunks.StartStep(),
    '{"type":"finish-step"}': chunks.FinishStep(),
    '{"type":"text-start","id":"0"}': parts.TextStart("0"),
    '{"type":"text-delta","id":"0","delta":"Hi"}': parts.TextDelta("0", "Hi"),
    '{"type":"text-end","id":"0"}': parts.TextEnd("0"),
    '{"type":"reasoning-start","id":"1"}': parts.ReasoningStart("1"),
    '{"type":"reasoning-delta","id":"1","delta":"Hm"}': parts.ReasoningDelta("1", "Hm"),
    '{"type":"reasoning-end","id":"1"}': parts.ReasoningEnd("1"),
    '{"type":"finish","finishReason":"stop"}': chunks.Finish("stop"),
    '{"type":"finish","finishReason":"content-filter"}': chunks.Finish("content-filter"),
    '{"type":"abort"}': chunks.Abort(),
    '{"type":"error","code":"timeout"}': chunks.Error("timeout"),
}

TRANSIENT = {
    data("status", '{"status":"loading"}'): chunks.LOADING,
    data("message", '{"id":"a1","status":"complete","html":"<p>"}'): chunks.MessageHtml(
        chunks.MessageData(id="a1", status="complete", html="<p>")
    ),
    data("message", '{"id":"a1","status":"cut","html":"","after":null}'): chunks.MessageHtml(
        chunks.MessageData(id="a1", status="cut", html="", after=None)
    ),
    data("message", '{"id":"a1","status":"cut","html":"","after":"m1"}'): chunks.MessageHtml(
        chunks.MessageData(id="a1", status="cut", html="", after="m1")
    ),
    data("message", '{"id":"a1","status":"cut","html":"","after":null,"earlier":true}'): chunks.MessageHtml(
        chunks.MessageData(id="a1", status="cut", html="", after=None, earlier=True)
    ),
    data("earlier", '{"html":"","more":false}'): chunks.EarlierHtml(chunks.EarlierData(html="", more=False)),
    data("earlier", '{"html":"<p>","more":true}'): chunks.EarlierHtml(chunks.EarlierData(html="<p>", more=True)),
    data("part", '{"message":"a1","part":0,"html":""}'): chunks.PartHtml(
        chunks.PartData(message="a1", part=0, html="")
    ),
    data("message-end", '{"message":"a1","status":"failed","html":""}'): chunks.MessageEnd(
        chunks.MessageEndData(message="a1", status="failed", html="")
    ),
    data("conversation", '{"id":"c1","title":""}'): chunks.ConversationTitle(
        chunks.ConversationData(id="c1", title="")
    ),
    data("source", '{"message":"a1","text":""}'): chunks.MessageSource(chunks.SourceData(message="a1", text="")),
}

PATCHES = {
    '"keep":0,"from":0,"html":""': BlockPatch(0, html=""),
    '"keep":3,"from":0,"html":"<p>abc</p>"': BlockPatch(3, html="<p>abc</p>"),
    '"keep":0,"from":0,"html":"<p>abc</p>","stay":true': BlockPatch(0, html="<p>abc</p>", stay=True),
    '"keep":1,"from":5,"html":"c","tail":4': BlockPatch(1, 5, "c", tail=4),
    '"keep":0,"from":5,"html":"b","tail":4,"stay":true': BlockPatch(0, 5, "b", tail=4, stay=True),
    '"keep":0,"from":9,"html":"-two","then":[[30,"-two"],[2,""]],"tail":8': BlockPatch(
        0, 9, "-two", tail=8, then=((30, "-two"), (2, ""))
    ),
    '"keep":2,"append":" b &"': BlockPatch(2, append=" b &"),
    '"keep":2,"append":"x","stay":true': BlockPatch(2, append="x", stay=True),
}


@pytest.mark.parametrize(("wire", "chunk"), {**PLAIN, **TRANSIENT}.items())
def test_a_chunk_is_encoded_as_the_protocol_describes_it(wire, chunk):
    assert encode(chunk).decode() == wire


@pytest.mark.parametrize(("change", "patch"), PATCHES.items())
def test_a_patch_is_encoded_with_the_fields_that_it_needs(change, patch):
    wire = data("patch", f'{{"message":"a1","part":2,{change}}}')
    assert encode(patch_chunk("a1", 2, patch)).decode() == wire
