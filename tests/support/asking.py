"""Asks a model that the test plays."""


async def asked(script, socket, text="One", **more):
    """Ask, let the model answer, and return the instructions that it got."""
    request = await socket.ask(text, **more)
    reply = await script.anext_reply()
    reply.say("Uno")
    reply.finish()
    await socket.chunks(request)
    return reply.request.messages[0]["content"]
