"""Kinds of sites that exist already: what each adds to a new project, besides the README's lines."""

from dataclasses import dataclass, field

from tests.support.startproject import Site, Visitor

PAGE = """
from django.views.generic import TemplateView
urlpatterns += [path("help/", TemplateView.as_view(template_name="help.html"))]
"""
TEMPLATES = 'TEMPLATES[0]["DIRS"] = [BASE_DIR / "templates"]\n'
LAYOUT = "<!doctype html><title>Help</title>{% load llm_chat %}{% chat %}"


@dataclass
class Kind:
    """A site: the lines at the end of its files, in place of the README's where a file is in ``instead``."""

    settings: str = ""
    urls: str = ""
    files: dict[str, str] = field(default_factory=dict)
    instead: dict[str, str] = field(default_factory=dict)
    users: str = ""
    """An app with the site's own model of users, which is migrated."""
    page: str = LAYOUT
    path: str = "/help/"
    """The page on which visitors ask."""


ACCOUNTS = """
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models


class Manager(BaseUserManager):
    def create_user(self, email, password):
        account = self.model(email=email)
        account.set_password(password)
        account.save()
        return account


class Account(AbstractBaseUser):
    {key}
    email = models.EmailField(unique=True)

    USERNAME_FIELD = "email"
    objects = Manager()
"""
CREATE = """
from django.contrib.auth import get_user_model
get_user_model().objects.create_user("a@b.example", "pw")
"""
LOGIN = """
from django.contrib.auth.views import LoginView
urlpatterns += [path("login/", LoginView.as_view(template_name="login.html", next_page="/help/"))]
"""
LOGIN_PAGE = '<!doctype html><title>Sign in</title><form method="post">{% csrf_token %}{{ form }}</form>'


def users(key: str, settings: str = "") -> Kind:
    """Make a kind of site whose users sign in with an address, and have this primary key."""
    return Kind(
        settings='INSTALLED_APPS += ["accounts"]\nAUTH_USER_MODEL = "accounts.Account"\n' + settings,
        urls=LOGIN,
        files={"templates/login.html": LOGIN_PAGE, "accounts/models.py": ACCOUNTS.format(key=key)},
        users="accounts",
    )


ECHO = """
from channels.auth import AuthMiddlewareStack
from channels.generic.websocket import WebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import path


class Echo(WebsocketConsumer):
    def receive(self, text_data):
        self.send(text_data)


"""
AROUND = (
    ECHO
    + """
from llm_chat.routing import application as with_chat
mine = AuthMiddlewareStack(URLRouter([path("ws/echo/", Echo.as_asgi())]))
application = with_chat(ProtocolTypeRouter({"http": application, "websocket": mine}))
"""
)
OWN_ROUTER = (
    ECHO
    + """
from llm_chat.routing import lifespan, websocket_urlpatterns
sockets = URLRouter([path("ws/echo/", Echo.as_asgi()), *websocket_urlpatterns])
application = ProtocolTypeRouter(
    {"http": application, "websocket": AuthMiddlewareStack(sockets), "lifespan": lifespan}
)
"""
)
ASYNC_VIEW = """
from asgiref.sync import sync_to_async
from django.shortcuts import render


async def in_a_thread(request):
    return await sync_to_async(render)(request, "help.html")


urlpatterns += [path("async/", in_a_thread)]
"""
DJANGO_CSP = """
from csp.constants import NONCE, SELF, STRICT_DYNAMIC
MIDDLEWARE += ["csp.middleware.CSPMiddleware"]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {"default-src": [SELF], "script-src": [NONCE, STRICT_DYNAMIC], "style-src": [NONCE]}
}
"""
SECURE_CSP = """
from django.utils.csp import CSP
MIDDLEWARE += ["django.middleware.csp.ContentSecurityPolicyMiddleware"]
SECURE_CSP = {
    "default-src": [CSP.SELF], "script-src": [CSP.NONCE, CSP.STRICT_DYNAMIC], "style-src": [CSP.NONCE]
}
TEMPLATES[0]["OPTIONS"]["context_processors"] += ["django.template.context_processors.csp"]
"""
CACHE = """
CACHES = {"default": {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": BASE_DIR / "cache"}}
"""
PER_SITE_CACHE = """
MIDDLEWARE = [
    "django.middleware.cache.UpdateCacheMiddleware",
    *MIDDLEWARE,
    "django.middleware.cache.FetchFromCacheMiddleware",
]
"""
SESSIONS = "django.contrib.sessions.backends"

KINDS: dict[str, Kind] = {
    "e06-around": Kind(instead={"mysite/asgi.py": AROUND}),
    "e06-router": Kind(instead={"mysite/asgi.py": OWN_ROUTER}),
    "e10-django-csp": Kind(settings=DJANGO_CSP),
    "e10-secure-csp": Kind(settings=SECURE_CSP),
    "e11-naive-times": Kind(settings='USE_TZ = False\nTIME_ZONE = "Asia/Kathmandu"\n'),
    "e12-atomic-requests": Kind(settings='DATABASES["default"]["ATOMIC_REQUESTS"] = True\n'),
    "e13-async-view": Kind(urls=ASYNC_VIEW, path="/async/"),
    "e17-auto-field": Kind(settings='DEFAULT_AUTO_FIELD = "django.db.models.AutoField"\n'),
    "e17-site-cache-and-cached-sessions": Kind(
        settings=CACHE + PER_SITE_CACHE + f'SESSION_ENGINE = "{SESSIONS}.cache"\n'
    ),
    "e17-uuid-users": users("id = models.UUIDField(primary_key=True, default=__import__('uuid').uuid4)"),
    "e17-email-users-and-cookie-sessions": users("", f'SESSION_ENGINE = "{SESSIONS}.signed_cookies"\n'),
}
"""The kinds, by the rows of the table of existing sites."""


def build(site: Site, kind: Kind, additions: dict[str, str]) -> None:
    """Turn a new project into a site of a kind, with the README's lines, and create its tables."""
    site.add({"mysite/settings.py": TEMPLATES + kind.settings, "mysite/urls.py": PAGE + kind.urls})
    site.add(additions | kind.instead)
    for name, text in {"templates/help.html": kind.page, **kind.files}.items():
        (site.path / name).parent.mkdir(exist_ok=True)
        site.write(name, text)
    if kind.users:
        site.write(f"{kind.users}/__init__.py", "")
        site.run("manage.py", "makemigrations", kind.users)
    site.run("manage.py", "migrate")
    if kind.users:
        site.run("manage.py", "shell", "--no-imports", "-c", CREATE)


def converse(url: str, path: str, question: str = "Why is the sky blue?", visitor: type[Visitor] = Visitor) -> Visitor:
    """Ask on a page of a site as a new visitor, check that the answer arrives and is kept, and return the visitor."""
    asking, stranger = visitor(url), visitor(url)
    assert asking.roles_of(question, path) == []
    frames = asking.ask(question, path)
    assert frames[-1] == {"type": "end", "requestId": "r1"}, frames
    assert "".join(frame["chunk"].get("delta", "") for frame in frames[:-1]).split() == question.split()
    assert asking.roles_of(question, path) == ["user", "assistant"]
    assert stranger.roles_of(question, path) == []
    return asking
