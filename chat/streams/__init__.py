"""Chunk logs: the only way from a run to its readers, and the truth while an answer runs."""
