"""The site's settings, with the changes to ``CHAT`` from the environment, as JSON."""

import json
import os

from chatproject.settings import *  # noqa: F403
from chatproject.settings import CHAT as USUAL

CHANGES = json.loads(os.environ["CHAT_CHANGES"])
CHAT = {**USUAL, **CHANGES} if isinstance(CHANGES, dict) else CHANGES
