"""The site's own ASGI application, with a websocket and a lifespan, wrapped in the chat's."""

from django.core.asgi import get_asgi_application

django_application = get_asgi_application()

from chat import routing  # noqa: E402


async def live(receive, send):
    for _ in range(2):
        event = (await receive())["type"]
        print(f"site: {event}", flush=True)  # noqa: T201
        await send({"type": f"{event}.complete"})


async def echo(receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": event["text"]})


async def site_application(scope, receive, send):
    if scope["type"] == "lifespan":
        await live(receive, send)
    elif scope["type"] == "websocket" and scope["path"] == "/app/echo/":
        await echo(receive, send)
    else:
        await django_application(scope, receive, send)


application = routing.application(site_application)
