"""A script: pages that ask, served by WSGI; it prints the port on which it serves."""

import signal
import threading
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django

django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402 (what these import needs the apps)
from django.http import JsonResponse  # noqa: E402
from django.test import override_settings  # noqa: E402
from django.urls import path  # noqa: E402

from chat import Answer, aask, ask, astream  # noqa: E402


def plain(request):
    return JsonResponse({"text": ask("default", request.GET["q"]).text})


async def asynchronous(request):
    return JsonResponse({"text": (await aask("default", request.GET["q"])).text})


async def streamed(request):
    pieces = [piece async for piece in astream("default", request.GET["q"])]
    return JsonResponse({"text": "".join(piece for piece in pieces if not isinstance(piece, Answer))})


urlpatterns = [path("plain/", plain), path("async/", asynchronous), path("stream/", streamed)]


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


if __name__ == "__main__":
    with override_settings(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"]):
        server = make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Quiet)
        print(server.server_port, flush=True)  # noqa: T201 (read by the test)
        # An exception would be lost in a request that is about to end: wsgiref takes it for one of the application.
        signal.signal(signal.SIGINT, lambda *_: threading.Thread(target=server.shutdown).start())
        server.serve_forever()
