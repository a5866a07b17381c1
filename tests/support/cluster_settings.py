"""The site's settings, with timeouts short enough for a test to wait until a dead process is noticed."""

from chatproject.settings import *  # noqa: F403
from chatproject.settings import CHAT

CHAT |= {"HEARTBEAT": 0.2, "PROCESS_TIMEOUT": 2.0, "GRACE_PERIOD": 2.0}
