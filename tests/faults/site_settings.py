"""``chatproject`` with a test's own ``CHAT``: the variable ``SITE_CHAT`` is JSON that is laid over the site's."""

import json
import os

from chatproject.settings import *  # noqa: F403
from chatproject.settings import CHAT as SITE_CHAT

CHAT = {**SITE_CHAT, **json.loads(os.environ["SITE_CHAT"])}
