"""The websocket: its wire format, the requests of its clients, and how they are answered.

The wire format is that of ``WebSocketChatTransport`` in the npm package ``ai`` (7.0.135 and later). The additions of
this package use only the extension points of that format; ``docs/protocol.md`` describes both in full.
"""
