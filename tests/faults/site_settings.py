"""``chatproject`` with a test's own ``CHAT``: the variable ``SITE_CHAT`` is JSON that is laid over the site's.

``SITE_CHANNEL_LAYERS`` is JSON that replaces the site's, ``SITE_CLOCK`` the file that says what time it is.
"""

import json
import os
from pathlib import Path

from chatproject.settings import *  # noqa: F403
from chatproject.settings import CHANNEL_LAYERS as SITE_CHANNEL_LAYERS
from chatproject.settings import CHAT as SITE_CHAT
from tests.faults import clock

CHAT = {**SITE_CHAT, **json.loads(os.environ["SITE_CHAT"])}
CHANNEL_LAYERS = json.loads(os.environ.get("SITE_CHANNEL_LAYERS", "null")) or SITE_CHANNEL_LAYERS
clock.follow(Path(os.environ["SITE_CLOCK"]))
