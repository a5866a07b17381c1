"""Exits with 0 when the process on this machine's port 8000 is ready for visitors: a container's health check."""

import os
import sys
import urllib.error
import urllib.request

URL = "http://127.0.0.1:8000/readyz"
WAIT = 8.0


def host(allowed: str) -> str:
    """A name that Django answers to, out of ``ALLOWED_HOSTS``."""
    names = [name.strip() for name in allowed.split(",") if name.strip()]
    return next((name.removeprefix(".") for name in names if name != "*"), "localhost")


def main() -> str | None:
    """What is wrong, if anything is."""
    request = urllib.request.Request(URL, headers={"Host": host(os.environ.get("ALLOWED_HOSTS", ""))})
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=WAIT)
    except urllib.error.HTTPError as error:
        return f"{error.code}: {error.read().decode(errors='replace')[:200]}"
    except OSError as error:
        return str(error)
    return None


if __name__ == "__main__":
    sys.exit(main())
