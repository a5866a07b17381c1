"""A new kind of request on the socket touches three files: its frame, its handler and its database step."""

import filecmp
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import ROOT

FRAME = '''

class Shout(Request, tag="shout", frozen=True, kw_only=True):
    """Write the title of the conversation in capitals."""
'''
HANDLER = '''

@handles(Shout)
async def shout(request: Request, asked: Shout) -> None:
    """Write the title of a conversation in capitals, on all of the owner's pages."""
    title = await in_database(capitalise, request.owner, asked.id)
    request.engine.events.publish(request.owner.key, Event.titled(asked.id, title))
    await request.start()
    await request.end()
'''
STEP = '''

def capitalise(owner: Owner, uid: str) -> str:
    """Write the title of one of the owner's own conversations in capitals. Raises ``Refusal``."""
    conversation = own(owner, uid)
    if conversation is None:
        raise Refusal("not_found")
    rename(conversation, conversation.title.upper())
    return conversation.title.upper()
'''
PROGRAM = """
import asyncio, json
import django
from django.conf import settings
from django.core.management import call_command
import chatproject.settings
settings.CHAT = {"BACKENDS": {"default": {"BACKEND": "chat.backends.scripted.ScriptedBackend"}}}
django.setup()
call_command("migrate", verbosity=0)
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone
from chat.consumers import ChatConsumer
from chat.models import Conversation
Conversation.objects.create(owner="visitor:ann", uid="c1", title="Quiet", updated_at=timezone.now())

async def shout():
    socket = WebsocketCommunicator(ChatConsumer.as_asgi(), "/ws/chat/")
    socket.scope.update(user=AnonymousUser(), session={"llm_chat_visitor": "ann"})
    await socket.connect()
    await socket.send_to(text_data=json.dumps({"type": "shout", "requestId": "r1", "id": "c1"}))
    await socket.send_to(text_data=json.dumps({"type": "shout", "requestId": "r2", "id": "another"}))
    frames = [json.loads(await socket.receive_from(10)) for _ in range(4)]
    await socket.disconnect()
    return frames

print(json.dumps({"frames": asyncio.run(shout()), "title": Conversation.objects.get().title}))
"""


def edit(path: Path, *changes: tuple[str, str]) -> None:
    """Replace texts that must be there, and nothing else."""
    text = path.read_text()
    for old, new in changes:
        assert text.count(old) == 1, f"{path} has {old!r} {text.count(old)} times"
        text = text.replace(old, new)
    path.write_text(text)


@pytest.fixture
def site(tmp_path):
    """A copy of the checkout in which the new request has been added."""
    for folder in ("chat", "chatproject", "templates"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    app = tmp_path / "chat"
    edit(
        app / "sockets" / "received.py",
        ("\n\nclass Question(", f"{FRAME}\n\nclass Question("),
        ("Select | Source | Rate | Read\n", "Select | Source | Rate | Read | Shout\n"),
    )
    edit(
        app / "sockets" / "page_requests.py",
        ("import mark_read\n", "import capitalise, mark_read\n"),
        ("Read, Select, Source\n", "Read, Select, Shout, Source\n"),
    )
    with (app / "sockets" / "page_requests.py").open("a") as module:
        module.write(HANDLER)
    with (app / "db" / "conversations.py").open("a") as module:
        module.write(STEP)
    return tmp_path


def test_a_request_that_three_files_add_is_answered_like_any_other(site):
    changed = {str(path.relative_to(site)) for path in (site / "chat").rglob("*.py") if not unchanged(path, site)}
    assert changed == {"chat/sockets/received.py", "chat/sockets/page_requests.py", "chat/db/conversations.py"}
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "chatproject.settings", "DATA_DIR": str(site)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=site, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    of = {name: [frame["type"] for frame in found["frames"] if frame["requestId"] == name] for name in ("r1", "r2")}
    assert of == {"r1": ["start", "end"], "r2": ["error"]}
    [event] = [frame for frame in found["frames"] if frame["type"] == "event"]
    assert (event["event"], event["id"], event["title"]) == ("title", "c1", "QUIET")
    assert found["title"] == "QUIET"


def unchanged(path: Path, site: Path) -> bool:
    return filecmp.cmp(path, ROOT / path.relative_to(site), shallow=False)
