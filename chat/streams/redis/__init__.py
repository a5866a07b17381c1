"""Streams that several processes share through Redis."""
