"""Measurements of the chat. Figures are for comparing within one run: other machines, and other hours, give others."""
