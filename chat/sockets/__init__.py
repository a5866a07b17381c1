"""The websocket: its wire format, what a client may ask, and what the server answers.

The format is that of ``WebSocketChatTransport`` in the npm package ``ai`` (7.0.135 and later); ``docs/protocol.md``
describes it in full, with our additions, all of which stay inside the room that the format leaves.
"""
