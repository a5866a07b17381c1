"""Every URL of one conversation, by its owner and by others: only the owner reads and changes anything."""

import json
from dataclasses import dataclass, field

import pytest
from asgiref.sync import sync_to_async
from django.urls import reverse

from chat.assistants import Assistant, tool
from chat.assistants.discovery import registry
from chat.urls import urlpatterns
from tests.support.askers import ASKERS, OTHER, OWNER, SECRETS, STRANGER, WORD, all_rows, canary, settle

CANCELLED: list[str] = []
PUBLIC = {"canary-text", "canary-title"}
"""What a shared copy has of the conversation, for everybody who has its link."""


class Default(Assistant):
    @tool(confirm=True)
    def cancel(self, number: str):
        """Cancels an order."""
        CANCELLED.append(number)
        return "cancelled"


@dataclass
class Row:
    """A request to a URL, and the status of its response for the owner and for others."""

    method: str
    owner: int
    stranger: int
    other: int = 0
    """That of a visitor with a conversation of the same id; without it, as for the stranger."""
    fields: dict[str, str] = field(default_factory=dict)
    """The query, or the form; ``{link}``, ``{at}`` and ``{button}`` stand for the owner's."""
    asks: tuple[int, ...] = ()
    """With which of these statuses the model is asked."""
    changes: bool = True
    """Whether the owner's request changes something, if it is a POST that succeeds."""
    shows: bool = False
    """Whether the owner is shown secrets."""

    def expected(self, asker: str) -> int:
        return {OWNER: self.owner, OTHER: self.other or self.stranger}.get(asker, self.stranger)


def get(owner, stranger, other=0, *, shows=False, **fields):
    return Row("get", owner, stranger, other, fields, shows=shows)


def post(owner, stranger, other=0, *, asks=(), changes=True, **fields):
    return Row("post", owner, stranger, other, fields, asks, changes)


NO_GET, NO_POST = get(405, 405), post(405, 405)

ROWS: dict[str, list[Row]] = {
    "page": [
        get(200, 200, shows=True),
        get(200, 200, q=WORD, shows=True),
        post(303, 303, id="m9", text="What?", asks=(303,)),
        post(303, 303, id="m1", text="What?", asks=(303,)),
    ],
    "all-options": [get(200, 200, shows=True), NO_POST],
    "delete-several": [
        NO_GET,
        post(303, 303, id="c1", confirm="on"),
        post(303, 303, confirm="on"),
        post(400, 400, id="c1"),
    ],
    "undo": [NO_GET, post(303, 410, at="{at}"), post(410, 410, at="2026-01-01T00:00:00+00:00")],
    "manifest": [get(200, 200), NO_POST],
    "shared": [get(200, 200, shows=True), NO_POST],
    "conversation": [
        get(200, 200, shows=True),
        get(200, 200, before="a1", hit="a1", shows=True),
        get(200, 200, fragment="", shows=True),
        get(200, 403, 200, fragment="", about="forged", shows=True),
        post(303, 303, id="m9", text="What?", asks=(303,)),
        post(409, 303, 409, id="m1", text="What?", asks=(303,)),
    ],
    "options": [get(200, 404, 200, shows=True), NO_POST],
    "rename": [NO_GET, post(303, 404, 303, title="Another")],
    "pin": [NO_GET, post(303, 404, 303, pinned="on")],
    "delete": [NO_GET, post(303, 404, 303, confirm="on")],
    "call": [
        NO_GET,
        post(303, 404, 404, call="allow t-asked", asks=(303,)),
        post(303, 404, 404, call="deny t-asked", asks=(303,)),
        post(409, 404, 404, call="allow t-done"),
        post(409, 404, 404, call="allow t-denied"),
        post(404, 404, 303, call="allow u-asked", asks=(303,)),
        post(303, 404, 404, call="deny t-denied", changes=False),
        post(303, 404, 404, call="press {button}"),
        *(
            post(404, 404, 404, call=value)
            for value in ("", "t-asked", "allow", "Allow t-asked", "allow  t-asked", "allow t-asked u-asked", "press x")
        ),
    ],
    "stop": [NO_GET, post(303, 404, 303)],
    "new": [NO_GET, post(303, 303, changes=False)],
    "shares": [get(200, 404, 200, shows=True), NO_POST],
    "share": [NO_GET, post(303, 404, 303)],
    "revoke": [NO_GET, post(303, 404)],
    "print": [get(200, 404, 200, shows=True), NO_POST],
    "export-markdown": [get(200, 404, 200, shows=True), NO_POST],
    "export-json": [get(200, 404, 200, shows=True), NO_POST],
}
"""What each URL answers; a new one needs a GET and a POST here."""

CASES = [
    pytest.param(name, row, asker, id=f"{name}-{row.method}-{number}-{asker}")
    for name, rows in ROWS.items()
    for number, row in enumerate(rows)
    for asker in ASKERS
]


def test_every_url_has_a_get_and_a_post():
    assert set(ROWS) == {pattern.name for pattern in urlpatterns}
    assert all({row.method for row in rows} == {"get", "post"} for rows in ROWS.values())


@pytest.fixture(autouse=True)
def site(script, settings):
    """Let visitors share, and bring deleted conversations back in a test's own time."""
    settings.CHAT = {**settings.CHAT, "SHARING": True, "UNDO_PERIOD": 60.0}
    CANCELLED.clear()
    with registry.replaced(Default):
        yield


@pytest.fixture
async def askers(served):
    return await sync_to_async(settle)()


def address(name, askers, uid="c1", link=None):
    pattern = next(pattern for pattern in urlpatterns if pattern.name == name)
    given = {"uid": uid, "link": link or askers.link}
    return reverse(f"llm_chat:{name}", kwargs={key: given[key] for key in pattern.pattern.converters})


async def ask(client, name, row, askers, **other):
    fields = {
        key: value.format(link=askers.link, at=askers.at, button=askers.button) for key, value in row.fields.items()
    }
    return await getattr(client, row.method)(address(name, askers, **other), fields, headers={"accept": "text/html"})


def to_compare(response):
    """Return what tells one response from another: a page has other tokens and ids, which are as long."""
    return response.status_code, response.headers.get("Location", "").replace("c8", "c1"), len(response.content)


def secrets_in(text):
    return {canary(place) for place in SECRETS if canary(place) in text}


@pytest.mark.parametrize(("name", "row", "asker"), CASES)
async def test_s01_only_the_owner_reads_and_changes_a_conversation_for_others_it_is_as_if_it_did_not_exist(
    askers, script, name, row, asker
):
    before, everything = await sync_to_async(askers.rows)(), await sync_to_async(all_rows)("unread")
    response = await ask(askers.client(asker), name, row, askers)
    expected, page = row.expected(asker), response.content.decode()
    assert response.status_code == expected
    if expected in row.asks:
        (await script.anext_reply()).finish()
    if asker not in (OWNER, OTHER) and name != "shared":
        random = await ask(askers.client(asker), name, row, askers, uid="c8", link="a" * len(askers.link))
        assert to_compare(random) == to_compare(response)
        if expected in row.asks and name != "page":
            (await script.anext_reply()).finish()
    assert script.waiting == 0
    changed = await sync_to_async(all_rows)("unread") != everything
    done = row.method == "post" and expected < 400
    if asker == OWNER:
        assert changed == (done and row.changes)
        assert row.method == "post" or bool(secrets_in(page)) == row.shows
        return
    assert changed <= done
    assert secrets_in(page) == (PUBLIC if name == "shared" and expected == 200 else set())
    assert "canary-" not in json.dumps([asked.messages for asked in script.requests])
    assert await sync_to_async(askers.rows)() == before
    assert canary("input") not in CANCELLED


@pytest.mark.parametrize("asker", ASKERS)
@pytest.mark.parametrize("name", [name for name, rows in ROWS.items() if NO_POST not in rows])
async def test_no_form_is_taken_from_another_site(askers, script, settings, name, asker):
    """A site may lack Django's own protection."""
    settings.MIDDLEWARE = [path for path in settings.MIDDLEWARE if not path.endswith("CsrfViewMiddleware")]
    everything = await sync_to_async(all_rows)()
    row = next(row for row in ROWS[name] if row.method == "post")
    response = await ask(askers.client(asker, enforce_csrf_checks=True), name, row, askers)
    assert response.status_code == 403
    assert secrets_in(response.content.decode()) == set()
    assert await sync_to_async(all_rows)() == everything
    assert script.waiting == 0


@pytest.mark.parametrize("name", ["conversation", "options", "print", "export-markdown", "export-json"])
async def test_what_a_stranger_is_answered_does_not_tell_whether_there_is_such_a_conversation(askers, name):
    client = askers.client(STRANGER)
    there = await ask(client, name, get(0, 0), askers)
    nowhere = await client.get(address(name, askers).replace("c1", "c8"), headers={"accept": "text/html"})
    assert there.status_code == nowhere.status_code
    assert len(there.content) == len(nowhere.content)
