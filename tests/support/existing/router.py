"""Keeps the chat in a separate database, and sends its reads to a replica that never catches up."""


class Router:
    def db_for_read(self, model, **hints):
        return "replica" if model._meta.app_label == "llm_chat" else None

    def db_for_write(self, model, **hints):
        return "chat" if model._meta.app_label == "llm_chat" else None

    def allow_relation(self, one, other, **hints):
        return True

    def allow_migrate(self, database, app_label, **hints):
        return database == ("chat" if app_label == "llm_chat" else "default")
