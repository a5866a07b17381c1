"""Processes that only ask, beside the processes of a site or without any."""

import signal
import subprocess
import sys

from scripts.lease import hold
from tests.support.processes import ROOT, WAIT

USER = """
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
user, session = User.objects.create_user("ann"), SessionStore()
session[SESSION_KEY], session[HASH_SESSION_KEY] = str(user.pk), user.get_session_auth_hash()
session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
session.save()
print("key", session.session_key)
"""


def cookie_of_ann(site):
    """Make the user ann, and return the cookie of her browser."""
    said = site[0].manage("shell", "-v", "0", "-c", USER)
    return f"sessionid={said.rpartition('key ')[2].strip()}"


def heed_ctrl_c():
    """Let Ctrl-C end a process: where the tests run in the background of a shell, it is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Client:
    """A process with the environment of a site's processes."""

    def __init__(self, site, *arguments):
        options = {"cwd": ROOT, "env": site[0]._environment, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self.process = subprocess.Popen([sys.executable, *arguments], text=True, preexec_fn=heed_ctrl_c, **options)
        hold(self.process.pid)

    @classmethod
    def asks(cls, site, question, *arguments):
        """Ask by ``manage.py chat_ask``."""
        return cls(site, "manage.py", "chat_ask", "default", question, *arguments)

    def ended(self):
        """Wait for its end, and return its exit code, its output and what it has said about errors."""
        out, errors = self.process.communicate(timeout=WAIT)
        return self.process.returncode, out, errors

    def interrupt(self):
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def kill(self):
        """Kill it with ``kill -9``."""
        self.process.kill()
        self.ended()
