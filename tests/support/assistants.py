"""Assistants of a site, as its app defines them."""

from chat.assistants import Assistant, Starter

__all__ = ["Sales", "Shop", "Support"]


class Shop(Assistant):
    """What the assistants of the shop have in common."""

    abstract = True
    instructions = "You help customers of a bicycle shop."


class Support(Shop):
    """Helps customers."""

    starters = (Starter("Where is my parcel?"), Starter("Can I return a saddle?"))


class Sales(Shop):
    """Helps those who want to buy."""

    name = "sales-desk"
