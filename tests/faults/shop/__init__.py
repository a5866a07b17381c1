"""An app of the sites under test, with an assistant that has tools."""

HOLD = "hold"
"""Begins the name of a file that keeps the answers of a conversation from beginning, or from going on."""

RENAMED = "renamed"
"""The name of a file with which a process starts as after a deploy that has renamed the tool ``deliver``."""
