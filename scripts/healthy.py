"""Exits with 0 if the process on port 8000 is healthy and ready for visitors: a container's health check."""

import os
import sys
import urllib.error
import urllib.request

WAIT = 4.0


def host(allowed: str) -> str:
    """Return a host name that Django accepts, from ``ALLOWED_HOSTS``."""
    names = [name.strip() for name in allowed.split(",") if name.strip()]
    return next((name.removeprefix(".") for name in names if name != "*"), "localhost")


def problem(path: str) -> str | None:
    """Return what is wrong, or ``None``."""
    asked_for = {"Host": host(os.environ.get("ALLOWED_HOSTS", ""))}
    request = urllib.request.Request(f"http://127.0.0.1:8000{path}", headers=asked_for)
    try:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=WAIT)
    except urllib.error.HTTPError as error:
        return f"{path} answers {error.code}: {error.read().decode(errors='replace')[:200]}"
    except OSError as error:
        return f"{path} does not answer: {error}"
    return None


if __name__ == "__main__":
    sys.exit(problem("/healthz") or problem("/readyz"))
