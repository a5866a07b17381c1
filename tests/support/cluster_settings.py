"""The site's settings with times in which a test can wait for a dead process to be noticed."""

from chatproject.settings import *  # noqa: F403
from chatproject.settings import CHAT

CHAT |= {"HEARTBEAT": 0.2, "PROCESS_TIMEOUT": 2.0, "GRACE_PERIOD": 2.0}
