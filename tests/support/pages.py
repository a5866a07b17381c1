"""What our page makes of the html format: messages in order, each with the blocks of its parts."""

from chat.html.markdown import BlockPatch
from tests.html.markdown.page import Reader


class Message:
    """One article, and the readers of the parts that were streamed to the page."""

    def __init__(self, html: str, status: str) -> None:
        self.html = html
        self.status = status
        self.footer = ""
        self.parts: dict[int, Reader] = {}


class ChatPage:
    """Applies the chunks of one or more requests."""

    def __init__(self) -> None:
        self.messages: dict[str, Message] = {}
        self.loading = False

    def take(self, chunks: list[dict]) -> "ChatPage":
        for chunk in chunks:
            kind, data = chunk["type"], chunk.get("data", {})
            if kind == "data-message":
                self.messages[data["id"]] = Message(data["html"], data["status"])
                self._place(data)
            elif kind == "data-part":
                self.messages[data["message"]].parts[data["part"]] = Reader()
            elif kind == "data-patch":
                change = {name: data[name] for name in ("keep", "html", "append", "tail", "stay") if name in data}
                patch = BlockPatch(**change, from_=data.get("from", 0))
                self.messages[data["message"]].parts[data["part"]].apply([patch])
            elif kind == "data-message-end":
                message = self.messages[data["message"]]
                message.status, message.footer = data["status"], data["html"]
        return self

    def _place(self, data: dict) -> None:
        if "after" not in data:
            return
        order = list(self.messages)
        order.remove(data["id"])
        end = order.index(data["after"]) + 1 if data["after"] is not None else 0
        self.messages = {uid: self.messages[uid] for uid in [*order[:end], data["id"]]}
