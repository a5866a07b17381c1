"""The few database transactions of a turn: sync functions that coroutines call through ``database.in_database``."""
