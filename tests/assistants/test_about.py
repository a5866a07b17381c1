"""A conversation about an object of the site: which one, the server decides."""

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group, Permission, User
from django.contrib.sessions.backends.db import SessionStore
from django.core.exceptions import ImproperlyConfigured
from django.core.signing import Signer
from django.template import Context, Template
from django.test import AsyncClient

from chat.assistants import Assistant
from chat.assistants.about import EVERYBODY, find, is_derived, models_of, read, signed, subject_of, uid_of
from chat.assistants.discovery import registry
from chat.db.values import Subject
from chat.errors import Refusal
from chat.models import Conversation, Message
from chat.owners import VISITOR, Owner
from tests.support.asking import asked

ANN = Owner("visitor:ann")


class Support(Assistant):
    """Talks about groups and users."""

    about = (Group, "auth.User")
    allowed = True

    def get_instructions(self):
        return f"You talk about {self.about}."

    def has_about_permission(self, about):
        return self.allowed and about.name != "secret"


class Other(Assistant):
    """Talks about groups, too."""

    about = Group


@pytest.fixture(autouse=True)
def assistants():
    Support.allowed = True
    with registry.replaced(Support, Other):
        yield


def token_of(group, assistant="support", owner=ANN):
    return signed(subject_of(assistant, group), owner.digest)


def body_of(group, **more):
    return {"assistant": "support", "about": token_of(group, **more)}


@pytest.fixture
async def group(served):
    return await Group.objects.acreate(name="Order 1")


# ---- References ----


def test_a_reference_comes_back_as_it_was():
    subject = Subject("support", "auth.group", "1")
    assert read(signed(subject, "ann"), "support", "ann") == subject
    assert read("", "support", "ann") == Subject("support")
    assert signed(Subject("support"), "ann") == ""


def test_a_reference_for_everybody_is_that_of_every_owner():
    subject = Subject("support", "auth.group", "1")
    token = signed(subject, EVERYBODY)
    assert read(token, "support", "ann") == read(token, "support", "bob") == subject
    with pytest.raises(Refusal):
        read(token, "other", "ann")


@pytest.mark.parametrize(
    "token",
    [
        signed(Subject("support", "auth.group", "1"), "bob"),
        signed(Subject("other", "auth.group", "1"), "ann"),
        signed(Subject("support", "auth.group", "1"), "ann")[:-1] + "x",
        signed(Subject("support", "auth.group", "1"), "ann").replace(":", "::", 1),
        Signer().sign_object(["support", "auth.group", "1", "ann"]),
        Signer(salt="llm_chat.about").sign_object(["support", "auth.group", 1, "ann"]),
        Signer(salt="llm_chat.about").sign_object({"assistant": "support"}),
        Signer(salt="llm_chat.about").sign("no json"),
        "auth.group:1",
        "\ud83d",
        ":",
    ],
    ids=range(11),
)
def test_a_reference_of_another_owner_or_assistant_or_a_forged_one_is_refused(token):
    with pytest.raises(Refusal) as refused:
        read(token, "support", "ann")
    assert refused.value.code == "forbidden"


def test_a_reference_outlives_a_change_of_the_secret_key(settings):
    subject = Subject("support", "auth.group", "1")
    token = signed(subject, "ann")
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "x" * 50
    assert read(token, "support", "ann") == subject
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(Refusal):
        read(token, "support", "ann")


@pytest.mark.parametrize("name", ["support", "s" * 64])
def test_the_id_of_a_conversation_is_made_of_the_name_and_the_object(name):
    first, second = (uid_of(Subject(name, "auth.group", key)) for key in "12")
    assert first != second
    assert first != uid_of(Subject(name, "auth.user", "1"))
    assert len(first) <= 64
    assert first.startswith(name[:43] + "-")
    assert is_derived(first, name)
    assert uid_of(Subject(name)) == name
    assert not is_derived(name, name)


def test_models_are_named_or_given():
    assert models_of(Support) == [Group, User]
    assert models_of(Other) == [Group]
    assert models_of(Assistant) == []


@pytest.mark.django_db
@pytest.mark.parametrize("reference", [("auth.group", "999"), ("auth.group", "no number"), ("auth.permission", "1")])
def test_an_object_that_is_gone_or_of_another_model_is_not_found(reference):
    assert find(Support, Subject("support", *reference)) is None


# ---- On the socket ----


async def test_the_first_message_brings_the_object_and_the_rest_of_the_conversation_keeps_it(script, connect, group):
    socket = await connect("ann")
    assert await asked(script, socket, message="m1", body=body_of(group)) == "You talk about Order 1."
    other = await Group.objects.acreate(name="Order 2")
    for message, body in (("m2", {}), ("m3", {"assistant": "support"}), ("m4", body_of(other))):
        assert await asked(script, socket, message, message=message, body=body) == "You talk about Order 1."
    stored = await Conversation.objects.aget()
    assert (stored.about_model, stored.about_key) == ("auth.group", str(group.pk))


@pytest.mark.parametrize("more", [{"owner": Owner("visitor:bob")}, {"assistant": "other"}], ids=["owner", "assistant"])
async def test_a_reference_that_was_made_for_others_is_refused(script, connect, group, more):
    socket = await connect("ann")
    assert await socket.error(await socket.ask("One", body=body_of(group, **more))) == "forbidden"
    assert not await Conversation.objects.aexists()
    assert script.waiting == 0


async def test_an_id_of_an_object_without_its_reference_is_refused(script, connect, group):
    socket = await connect("ann")
    uid = uid_of(subject_of("support", group))
    assert await socket.error(await socket.ask("One", chat=uid, body={"assistant": "support"})) == "forbidden"
    assert not await Conversation.objects.aexists()
    await asked(script, socket, chat=uid, body=body_of(group))
    assert await asked(script, socket, "Two", chat=uid, message="m2", body={}) == "You talk about Order 1."


async def test_an_id_of_an_object_is_refused_to_another_assistant_and_to_another_object(script, connect, group):
    socket = await connect("ann")
    uid = uid_of(subject_of("support", group))
    other = await Group.objects.acreate(name="Order 2")
    for body in ({}, {"assistant": "other"}, body_of(other), {"assistant": "other", "about": token_of(group, "other")}):
        assert await socket.error(await socket.ask("One", chat=uid, body=body)) == "forbidden"
    assert not await Conversation.objects.aexists()


async def test_an_edit_in_a_new_conversation_under_such_an_id_is_refused_too(script, connect, group):
    socket = await connect("ann")
    uid = uid_of(subject_of("support", group))
    body = {"assistant": "support", "attempt": "e1"}
    assert await socket.error(await socket.ask("One", chat=uid, messageId="m1", body=body)) == "forbidden"
    assert not await Conversation.objects.aexists()


async def test_the_permission_is_asked_again_on_each_turn_with_the_object_as_it_is(script, connect, group):
    socket = await connect("ann")
    await asked(script, socket, body=body_of(group))
    await Group.objects.aupdate(name="secret")
    assert await socket.error(await socket.ask("Two", message="m2")) == "forbidden"
    assert await socket.error(await socket.regenerate()) == "forbidden"
    assert await Message.objects.acount() == 2


async def test_a_conversation_about_an_object_that_is_gone_can_be_read_and_not_continued(script, connect, group):
    socket = await connect("ann")
    await asked(script, socket, body=body_of(group))
    await group.adelete()
    assert await socket.error(await socket.ask("Two", message="m2")) == "forbidden"
    page = (await (await client_of("ann")).get("/chat/c1/")).content.decode()
    assert " forbidden>" in page
    assert "Uno" in page


async def client_of(visitor):
    store = SessionStore()
    store[VISITOR] = visitor
    await sync_to_async(store.save)()
    client = AsyncClient(headers={"accept": "text/html"})
    client.cookies["sessionid"] = store.session_key
    return client


async def test_the_page_of_a_stored_conversation_knows_its_object(script, connect, group):
    socket = await connect("ann")
    await asked(script, socket, body=body_of(group))
    client = await client_of("ann")
    assert " forbidden>" not in (await client.get("/chat/c1/")).content.decode()
    Support.allowed = False
    assert " forbidden>" in (await client.get("/chat/c1/")).content.decode()
    exported = await client.get("/chat/c1/export.json")
    assert exported.json()["about"] == f"auth.group:{group.pk}"


async def test_the_form_carries_the_reference(script, served, group):
    client = await client_of("ann")
    uid = uid_of(subject_of("support", group))
    refused = await client.post(f"/chat/{uid}/", {"id": "m1", "text": "One", "assistant": "support"})
    assert refused.status_code == 403
    fields = {"id": "m1", "text": "One", "assistant": "support", "about": token_of(group)}
    assert (await client.post(f"/chat/{uid}/", fields)).status_code == 303
    reply = await script.anext_reply()
    assert reply.request.messages[0]["content"] == "You talk about Order 1."
    reply.finish()


def forged(group):
    """Return references for a form of Ann's that this site has not made for her page."""
    token, row = token_of(group), ["support", "auth.group", str(group.pk), ANN.digest]
    return {
        "nothing": "",
        "of another owner": token_of(group, owner=Owner("visitor:bob")),
        "of another assistant": token_of(group, "other"),
        "of another object": token_of(Group(pk=group.pk + 1)),
        "of another model": signed(subject_of("support", User(pk=group.pk)), ANN.digest),
        "cut": token[:-1],
        "changed": token.replace(token[0], "x", 1),
        "with another salt": Signer(salt="llm_chat.call").sign_object(row),
        "with another key": Signer(key="x" * 50, salt="llm_chat.about").sign_object(row),
        "not signed": f"auth.group:{group.pk}",
    }


@pytest.mark.parametrize("kind", forged(Group(pk=1)))
async def test_a_forged_reference_begins_no_conversation_by_form_or_socket(script, connect, group, kind):
    token, uid = forged(group)[kind], uid_of(subject_of("support", group))
    client = await client_of("ann")
    fields = {"id": "m1", "text": "One", "assistant": "support", "about": token}
    assert (await client.post(f"/chat/{uid}/", fields)).status_code == 403
    socket = await connect("ann")
    body = {"assistant": "support", "about": token}
    assert await socket.error(await socket.ask("One", chat=uid, body=body)) == "forbidden"
    assert not await Conversation.objects.aexists()
    assert script.waiting == 0


async def test_a_reference_to_an_object_of_a_model_that_the_assistant_does_not_talk_about_is_refused(
    script, connect, group
):
    permission = await Permission.objects.afirst()
    token = signed(subject_of("support", permission), ANN.digest)
    socket = await connect("ann")
    assert await socket.error(await socket.ask("One", body={"assistant": "support", "about": token})) == "forbidden"
    assert not await Conversation.objects.aexists()


# ---- The tag ----


@pytest.fixture
def page(rf, db, script):
    request = rf.get("/any/page/")
    request.session = {VISITOR: "ann"}

    def render(about, text='{% chat "support" about=about %}'):
        return Template("{% load llm_chat %}" + text).render(Context({"request": request, "about": about}))

    return render


def test_the_tag_signs_a_reference_for_its_visitor(page):
    group = Group.objects.create(name="Order 1")
    html, token = page(group), token_of(group)
    assert f'conversation="{uid_of(subject_of("support", group))}" assistant="support" about="{token}"' in html
    assert f'<input type="hidden" name="about" value="{token}">' in html
    assert " about=" not in page(None)


def test_the_tag_asks_for_the_permission_of_the_object(page):
    group = Group.objects.create(name="secret")
    assert " forbidden>" in page(group)


@pytest.mark.parametrize("about", ["text", Group(name="new"), Conversation(pk=1)], ids=["text", "new", "model"])
def test_an_object_that_the_assistant_does_not_talk_about_is_an_error(page, about):
    with pytest.raises(ImproperlyConfigured, match=r"is about auth\.Group or auth\.User, got"):
        page(about)
