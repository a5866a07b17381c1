"""The shop's assistant, and what it may do for a customer."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, Literal

from chat.assistants import Assistant, Progress, Source, Starter, ToolError, tool

from .carrier import track
from .models import Customer, Order, Page

INSTRUCTIONS = (
    "You help the visitors of a bicycle shop. Answer briefly. Look orders up before you talk about them, and look "
    "into the manual before you explain how something is done."
)


class Support(Assistant):
    label = "Support"
    about = Order
    starters = (
        Starter("What have I ordered?"),
        Starter("Where is my parcel?"),
        Starter("Please cancel my open order."),
        Starter("How do I adjust the brakes?"),
    )

    def has_about_permission(self, order: Order) -> bool:
        return order.customer_id == self.user_id

    def get_instructions(self) -> str:
        who = f"The customer is called {self.user.name}." if self.user else "The visitor has not signed in."
        order: Any = self.about
        what = f" This conversation is about order {order.number}." if order else ""
        return f"{INSTRUCTIONS} {who}{what}"

    @property
    def customer(self) -> Customer:
        """Return the customer. Raises ``ToolError`` for a visitor without an account."""
        if self.user is None:
            raise ToolError("The visitor has not signed in.")
        customer: Customer = self.user
        return customer

    @tool
    def orders(self, status: Literal["open", "sent", "cancelled"] | None = None) -> list[dict[str, object]]:
        """The customer's own orders, the newest first.

        status: only those with this status
        """
        orders = self.customer.orders.all()
        if status:
            orders = orders.filter(status=status)
        return [dict(order) for order in orders.values("number", "status", "placed_on", "total")[:20]]

    @tool(confirm=True, expires=timedelta(days=1))
    def cancel(self, number: str) -> str:
        """Cancel one of the customer's open orders.

        number: the number of the order
        """
        cancelled = self.customer.orders.filter(number=number, status=Order.Status.OPEN)
        if not cancelled.update(status=Order.Status.CANCELLED):
            raise ToolError(f"The customer has no open order {number}.")
        return f"Order {number} is cancelled."

    @tool(idempotent=True, timeout=30)
    async def parcel(self, number: str) -> AsyncIterator[Any]:
        """Where the parcel of one of the customer's orders is, and when it arrives.

        number: the number of the order
        """
        yield Progress("Looking for the order")
        order = await self.customer.orders.filter(number=number, status=Order.Status.SENT).afirst()
        if order is None:
            raise ToolError(f"No parcel is under way for the order {number}.")
        yield Progress("Asking the carrier")
        found = await track(order)
        yield {"number": number, "place": found.place, "days_left": found.days_left}

    @tool
    def manual(self, query: str) -> list[Source]:
        """Pages of the manual: repairs, care, delivery, returns.

        query: what to look for, in a few words
        """
        pages = Page.objects.search(query)[:3]
        return [Source(page.title, page.get_absolute_url(), page.excerpt) for page in pages]
