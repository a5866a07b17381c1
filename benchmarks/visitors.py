"""Makes visitors of the chat's site: ``python -m benchmarks.visitors COUNT`` prints a cookie of each on a line."""

import secrets
import sys

import django


def main(count: int) -> None:
    """Store one session for each visitor, all in one transaction."""
    django.setup()
    from django.conf import settings
    from django.contrib.sessions.backends.db import SessionStore
    from django.db import transaction

    from chat.owners import VISITOR

    with transaction.atomic():
        for _ in range(count):
            session = SessionStore()
            session[VISITOR] = secrets.token_urlsafe(16)
            session.save()
            print(f"{settings.SESSION_COOKIE_NAME}={session.session_key}")


if __name__ == "__main__":
    main(int(sys.argv[1]))
