"""Renders messages, conversations and forms as HTML; ``markdown/`` renders the text of answers."""
