"""Groups of tests that run together, by name, for the scripts and for nox. Imports nothing."""

# A developer's environment variables for a site must not reach the tests.
SITE_VARIABLES = {
    "ALLOWED_HOSTS",
    "BEHIND_HTTPS",
    "CSRF_TRUSTED_ORIGINS",
    "DATABASE_URL",
    "DATA_DIR",
    "DEBUG",
    "HSTS_SECONDS",
    "METRICS_TOKEN",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_MODEL",
    "PORT",
    "REDIS_URL",
    "SECRET_KEY",
    "STATIC_ROOT",
}

BROWSER = ("tests/browser",)
BROWSERS = ("tests/browsers",)
EXISTING = ("tests/existing",)
FAULTS = tuple(f"tests/faults/test_{name}.py" for name in ("attacks", "following", "model_side", "sending", "stopping"))
SERVERS = (
    *(f"tests/test_{name}.py" for name in ("benchmarks", "bootstrap", "cluster", "existing_sites")),
    *(f"tests/test_{name}.py" for name in ("lease", "postgres", "servers")),
    *("tests/doctor", "tests/example", "tests/npm", "tests/reuse"),
)


def all_but(paths: tuple[str, ...], *of: str) -> tuple[str, ...]:
    """Return pytest's arguments for all tests below ``of`` except those in ``paths``, so that none is forgotten."""
    return (*(argument for path in paths for argument in ("--ignore", path)), *of)


ROOMS = tuple(f"tests/{room}" for room in ("assistants", "db", "engine", "sockets", "streams", "views"))
UNITS = all_but(("tests/faults", *BROWSER, *BROWSERS, *EXISTING, *SERVERS), "tests")
"""All tests that need neither a browser nor another process of the site."""

GROUPS = {
    # Playwright's and pytest-asyncio's both want the main thread's loop.
    "The browser's first tests": ("-m", "not thorough", *BROWSER),
    "The tests of answers and what is stored": ROOMS,
    "All other tests": all_but(ROOMS, *UNITS),
}
"""What ``make test`` runs, in less than five minutes."""

SITES_GROUPS = {
    "The tests of faults, first half": FAULTS,
    "The tests of faults, second half": all_but(FAULTS, "tests/faults"),
    "The tests that start servers": SERVERS,
}
"""What ``make test-sites`` runs: sites as their visitors meet them, in processes of their own."""

EXISTING_GROUPS = {"The chat in sites with packages of others": EXISTING}
"""What ``make test-existing`` runs: Wagtail, gunicorn, MariaDB, the style sheets of Bootstrap and others."""

SMOKE = (
    *(f"tests/test_{name}.py" for name in ("admin", "checks", "conf", "consumers", "health", "lifespan", "models")),
    *(f"tests/test_{name}.py" for name in ("project", "routing", "translations")),
    *(f"tests/{room}" for room in ("db", "sockets", "streams", "templatetags", "views")),
    *("tests/backends/openai/test_backend.py", "tests/engine/test_run.py", "tests/html/test_messages.py"),
)
"""The tests that ``nox -s smoke`` runs on the oldest versions: every part of the app, in about a minute."""

COVERED = {**GROUPS, "The tests that start servers": SERVERS}
"""The groups that run the app in their own process; fault tests start it in others."""

BROWSER_GROUPS = {
    "The browser's first tests": GROUPS["The browser's first tests"],
    "The browser's other tests": ("-m", "thorough", *BROWSER),
}

BROWSERS_GROUPS = {f"The page in {name}": ("-k", name.lower(), *BROWSERS) for name in ("Chromium", "Firefox", "WebKit")}
