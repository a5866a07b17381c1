"""The project's settings with one of the channel layers of channels_redis, and nothing else of Redis."""

import os

from chatproject.settings import *  # noqa: F403

CHANNEL_LAYERS = {
    "default": {
        "BACKEND": f"channels_redis.{os.environ['LAYER']}",
        "CONFIG": {"hosts": [os.environ["LAYER_URL"]]},
    }
}
