"""Erasing what is stored about an owner, and the models that this must know."""

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.db import models
from django.db.models.signals import post_delete
from django.utils import timezone

from chat.db.counters import address_scope, assistant_scope, owner_scope
from chat.db.erasure import IMPERSONAL, STEPS, counted, erase, remaining, stop_all
from chat.db.shares import share
from chat.models import KEY_LENGTH, Conversation, Counter, Feedback, Message, Process, Share, ToolCall, Usage
from chat.owners import Owner, key_of

ANN, BOB = Owner("visitor:ann"), Owner("visitor:bob")
MODELS = list(apps.get_app_config("llm_chat").get_models())
NAMES = {"owner", "user", "visitor", "decided_by", "username"}


def names_somebody(field):
    """Tell whether a column names an owner or a user: by its target, its name, or its length, which is that of keys."""
    users = isinstance(field, models.ForeignKey) and field.related_model._meta.label == django_settings.AUTH_USER_MODEL
    long = getattr(field, "max_length", None) == KEY_LENGTH and field.name != "title"
    return users or long or field.name in NAMES


def hangs_on(model, found=()):
    """Return the models whose rows take those of a model with them when they are deleted."""
    for field in model._meta.fields:
        target = field.related_model
        if isinstance(field, models.ForeignKey) and field.remote_field.on_delete is models.CASCADE and not field.null:
            found = {*found, target, *hangs_on(target)}
    return set(found)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_model_with_a_column_that_names_somebody_has_a_step(model):
    personal = [field.name for field in model._meta.fields if names_somebody(field)]
    assert model in STEPS or not personal, f"{model.__name__} names somebody in {personal}: add it to erasure.STEPS"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_model_is_erased_or_about_nobody(model):
    erased = model in STEPS or hangs_on(model) & {Conversation}
    assert bool(erased) != (model in IMPERSONAL), f"{model.__name__}: add it to erasure.STEPS, or to IMPERSONAL"


def test_a_model_that_nobody_has_thought_of_is_noticed():
    class Usage(models.Model):  # noqa: DJ008
        owner = models.CharField(max_length=KEY_LENGTH)
        payer = models.ForeignKey(django_settings.AUTH_USER_MODEL, models.SET_NULL, null=True)
        tokens = models.IntegerField()

        class Meta:
            app_label = "nowhere"

    try:
        assert [field.name for field in Usage._meta.fields if names_somebody(field)] == ["owner", "payer"]
        assert hangs_on(Usage) == set()
        assert {Message, Conversation} <= hangs_on(ToolCall)
    finally:
        del apps.all_models["nowhere"]
        apps.clear_cache()


def stored(owner=ANN, uid="c1", status="complete", **fields):
    """Store a conversation with everything that can hang on it."""
    made = Conversation.objects.create(owner=owner.key, uid=uid, title="Sky", updated_at=timezone.now(), **fields)
    question = made.message_set.create(uid="m1", role="user", text="Why?")
    answer = made.message_set.create(uid="a1", role="assistant", parent=question, text="So.", status=status)
    running = answer if status == "running" else None
    Conversation.objects.filter(pk=made.pk).update(tip=answer, running=running)
    made.refresh_from_db()
    ToolCall.objects.create(message=answer, uid=f"{owner.key}-{uid}", step=0, name="orders", decided_by=owner.key)
    Feedback.objects.create(message=answer, value=-1, comment="No")
    assert share(made) is not None
    return made


def rows():
    return [list(model.objects.order_by("pk").values()) for model in (Conversation, Message, ToolCall, Feedback, Share)]


@pytest.mark.django_db
def test_everything_about_an_owner_is_erased_and_nothing_about_others():
    stored(BOB)
    before = rows()
    stored(ANN, pinned=True), stored(ANN, "deleted", deleted_at=timezone.now()), stored(ANN, "waits", status="waiting")
    counts = {"conversations": 3, "messages": 6, "calls of tools": 3, "ratings": 3, "share links": 3}
    assert (counted(ANN), remaining(ANN)) == (counts, True)
    erase(ANN)
    assert rows() == before
    assert (set(counted(ANN).values()), remaining(ANN), remaining(BOB)) == ({0}, False, True)


@pytest.mark.django_db
def test_a_decision_about_somebody_elses_call_is_kept_without_its_author():
    stored(BOB)
    ToolCall.objects.update(decided_by=ANN.key)
    assert remaining(ANN)
    erase(ANN)
    assert ToolCall.objects.get().decided_by == ""
    assert not remaining(ANN)
    assert remaining(BOB)


@pytest.mark.django_db
def test_what_a_call_of_a_model_has_cost_is_kept_without_saying_for_whom(django_user_model):
    user = django_user_model.objects.create_user("ann")
    owner = Owner(key_of(user.pk), user.pk)
    spent = {"assistant": "default", "model": "m", "cost": 1, "started_at": timezone.now()}
    Usage.objects.create(owner=owner.key, user=user, **spent)
    Usage.objects.create(owner=BOB.key, **spent)
    assert remaining(owner)
    erase(owner)
    assert list(Usage.objects.order_by("pk").values_list("owner", "user", "cost")) == [
        ("", None, 1),
        (BOB.key, None, 1),
    ]
    assert (remaining(owner), remaining(BOB)) == (False, True)


@pytest.mark.django_db
def test_what_is_counted_for_an_owner_is_removed():
    scopes = [
        scope(owner) for owner in (ANN, BOB) for scope in (owner_scope, lambda owner: assistant_scope("a", owner))
    ]
    for scope in (*scopes, address_scope("192.0.2.1"), "site"):
        Counter.objects.create(name=f"{scope} answers day 2026-11-30T00:00", ends_at=timezone.now())
    erase(ANN)
    left = Counter.objects.values_list("name", flat=True)
    assert not [name for name in left if ANN.key in name]
    assert len(left) == 4


@pytest.mark.django_db
def test_conversations_of_an_account_are_found_under_any_key(django_user_model):
    user = django_user_model.objects.create_user("ann")
    stored(Owner("an older key"), user=user)
    owner = Owner(key_of(user.pk), user.pk)
    assert counted(owner)["conversations"] == 1
    erase(owner)
    assert not Conversation.objects.exists()
    assert django_user_model.objects.get() == user


@pytest.mark.django_db
def test_a_running_answer_is_asked_to_stop():
    Process.objects.create(id="p1", pid=1, started_at=timezone.now(), heartbeat_at=timezone.now())
    stored(ANN, status="running"), stored(BOB, status="running"), stored(ANN, "c2")
    assert stop_all(ANN) == 1
    assert [message.conversation.owner for message in Message.objects.filter(stopping=True)] == [ANN.key]


@pytest.mark.django_db(transaction=True)
def test_an_erasure_that_fails_half_way_can_be_repeated():
    def refuse(instance, **_):
        if instance.uid == "c2":
            raise LookupError("the site's own receiver fails")

    for uid in ("c1", "c2", "c3"):
        stored(ANN, uid)
    post_delete.connect(refuse, sender=Conversation)
    try:
        with pytest.raises(LookupError):
            erase(ANN)
    finally:
        post_delete.disconnect(refuse, sender=Conversation)
    assert sorted(Conversation.objects.values_list("uid", flat=True)) == ["c2", "c3"]
    erase(ANN)
    assert not remaining(ANN)
