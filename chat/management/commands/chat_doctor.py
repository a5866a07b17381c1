"""``manage.py chat_doctor``: connects to a site as a browser does, and says what is wrong on the way."""

from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ...doctor.findings import Finding, count_wrong, lines

OLDEST = 13
"""The oldest version of websockets whose connections the doctor knows."""


class Command(BaseCommand):
    """Looks at a running site from outside, through its proxies."""

    help = (
        "Fetches a page with a chat and opens its websocket, as a browser does, and says whether frames arrive one by "
        "one, and why not. It asks nothing of a model. The exit status is 1 if something is wrong."
    )
    requires_system_checks = ()
    """None, because it is the other site that is looked at."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the page, and how to look at it."""
        parser.add_argument("url", metavar="URL", help="a page with a chat, such as https://mysite.org/chat/")
        parser.add_argument("--cookie", default="", metavar="COOKIES", help='cookies to send, such as "sessionid=..."')
        parser.add_argument("--insecure", action="store_true", help="accept any certificate")
        parser.add_argument(
            "--idle", type=float, default=0.0, metavar="SECONDS", help="also wait, and see whether the socket is cut"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Look, and print each finding at once."""
        parts = urlsplit(options["url"])
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise CommandError(f"URL must begin with http:// or https:// and a host, got {options['url']!r}.")
        if options["idle"] < 0:
            raise CommandError(f"--idle must be a number of seconds, 0 or more, got {options['idle']:g}.")
        _check_websockets()
        from ...doctor.examination import examine  # late: it needs websockets

        findings: list[Finding] = []
        how = {"cookies": options["cookie"], "insecure": options["insecure"], "idle": options["idle"]}
        for finding in examine(options["url"], **how):
            findings.append(finding)
            for line in lines(finding):
                self.stdout.write(line)
        if count := count_wrong(findings):
            raise CommandError("1 finding is wrong." if count == 1 else f"{count} findings are wrong.")


def _check_websockets() -> None:
    """Raise ``CommandError`` if the library is missing, or too old."""
    try:
        from websockets.version import version
    except ImportError:
        version = ""
    if not version or int(version.partition(".")[0]) < OLDEST:
        raise CommandError(
            f"chat_doctor needs the package websockets, {OLDEST} or later, got {version or 'none'}: "
            'pip install "django-llm-chat[uvicorn]", or pip install --upgrade websockets.'
        )
