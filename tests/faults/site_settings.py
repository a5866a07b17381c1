"""The settings of ``chatproject``, with the JSON in ``SITE_CHAT`` merged into its ``CHAT``.

``SITE_CHANNEL_LAYERS`` is JSON that replaces the site's layers; ``SITE_CLOCK`` is the file with the time to use.
"""

import json
import os
from pathlib import Path

from chatproject.settings import *  # noqa: F403
from chatproject.settings import CHANNEL_LAYERS as SITE_CHANNEL_LAYERS
from chatproject.settings import CHAT as SITE_CHAT
from chatproject.settings import INSTALLED_APPS as SITE_APPS
from tests.faults import clock

INSTALLED_APPS = [*SITE_APPS, "tests.faults.shop"]
CHAT = {**SITE_CHAT, **json.loads(os.environ["SITE_CHAT"])}
CHANNEL_LAYERS = json.loads(os.environ.get("SITE_CHANNEL_LAYERS", "null")) or SITE_CHANNEL_LAYERS
clock.follow(Path(os.environ["SITE_CLOCK"]))
