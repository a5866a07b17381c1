"""Stores turns: a question, and the claim of its conversation for one answer.

Nearly all questions are new: they are stored here, in as few statements as possible. The rest is left to
``known_turns``: repeated requests, edits, a conversation in which an answer runs or waits, and databases without
``INSERT ... ON CONFLICT ... RETURNING``.
"""

from django.db import IntegrityError
from django.db.models.signals import post_save, pre_save
from django.utils import timezone

from ..conf import conf
from ..errors import Refusal
from ..models import Conversation, Message
from ..owners import Owner
from ..text import title_of
from . import known_turns
from .branches import Stretch
from .compiled import Insert, UnsupportedError, columns
from .counters import take
from .excess import claim, excess_of
from .history import Branch, alternating, read_branch
from .merging import claim_after
from .threads import atomic, database
from .usage import first_call
from .values import Ask, Turn, Writer

_CONVERSATION = Insert(
    Conversation,
    returning=Conversation._meta.concrete_fields,
    unique=columns(Conversation, "owner", "uid"),
    updated=columns(Conversation, "updated_at"),
)
_SAVING = (pre_save, post_save)
_MESSAGE = Insert(Message, returning=[Message._meta.pk])
_CLAIM = claim()
_CLAIM_OF_USER = claim("user")
_CLAIM_OF_VISITOR = claim("owner")
_CLAIM_NEW_OF_VISITOR = claim("owner", new=True)


class KnownError(Exception):
    """The question may not be new, or has to be stored by the ORM."""


def ask(request: Ask, writer: Writer) -> Turn:
    """Store a question and an empty answer for a run to fill, or find both if the request was repeated.

    Raises ``Refusal`` and ``OtherSubjectError``.
    """
    try:
        return _ask_new(request, writer)
    except (KnownError, UnsupportedError, IntegrityError):
        return known_turns.ask(request, writer)


@atomic
def _ask_new(request: Ask, writer: Writer) -> Turn:
    """Store a question that is new.

    Raises ``KnownError``, ``UnsupportedError``, or ``IntegrityError`` if the question is stored already; then nothing
    is changed.
    """
    if request.edits or any(signal.has_listeners(model) for signal in _SAVING for model in (Conversation, Message)):
        raise KnownError  # a site's own receivers get the rows that the ORM saves
    alias, now, owner = database(), timezone.now(), request.owner
    conversation = Conversation(owner=owner.key, user_id=owner.user_id, uid=request.uid, created_at=now, updated_at=now)
    conversation.title = title_of(request.text)
    conversation.claim = owner.claim
    conversation.assistant, conversation.about_model, conversation.about_key = writer.subject
    _CONVERSATION.insert(alias, conversation)
    writer.subject.check(conversation)
    if conversation.running_id is not None or conversation.deleted_at is not None:
        raise KnownError
    earlier = Branch([], None, ())
    if conversation.created_at == now:
        if writer.refuses_new:
            raise Refusal("forbidden")
    else:
        left = writer.budget - len(request.text)
        earlier = read_branch(conversation.pk, conversation.tip_id, left, asked=True, tools=writer.tools)
        if earlier.waits:
            raise KnownError
    question = known_turns.new_question(conversation, conversation.tip_id, request.question, request.text)
    question.created_at = now
    _MESSAGE.insert(alias, question)
    messages = alternating([{"role": question.role, "content": question.text}, *earlier.messages])
    answer = known_turns.new_answer(conversation, question, writer)
    answer.created_at = now
    answer.calling, charges = first_call(writer, messages, request.press)
    _MESSAGE.insert(alias, answer)
    conversation.running_id = conversation.tip_id = answer.pk  # not the object, which refers to the conversation
    conversation.unread = False
    conversation.claim = claim_after(conversation.claim, owner)
    _claim(alias, conversation, is_new=conversation.created_at == now)
    take(charges)  # last: nobody waits for this transaction longer than need be
    question.siblings, answer.siblings = (*earlier.children, question.uid), (answer.uid,)
    shown = Stretch([question, answer], earlier.tip) if request.whole else Stretch()
    return Turn(conversation, question, answer, True, messages, shown=shown)


def _claim(alias: str, conversation: Conversation, *, is_new: bool) -> None:
    """Claim a conversation for its new answer. Raises ``Refusal`` if its owner has too many of what is limited."""
    answer, key, most = conversation.running_id, conversation.owner, conf.max_running_per_owner
    values = (answer, answer, False, conversation.updated_at, conversation.claim, conversation.pk)
    if conversation.user_id is not None:
        taken = _CLAIM_OF_USER.run(alias, *values, conversation.user_id, most)[0]
    elif not Owner(key).is_listed:
        taken = _CLAIM.run(alias, *values)[0]
    elif is_new:
        taken = _CLAIM_NEW_OF_VISITOR.run(alias, *values, key, most, key, conf.max_conversations_per_visitor + 1)[0]
    else:
        taken = _CLAIM_OF_VISITOR.run(alias, *values, key, most)[0]
    if not taken:
        raise excess_of(conversation, is_new=is_new) or Refusal("too_many_answers")
