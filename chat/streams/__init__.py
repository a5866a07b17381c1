"""Streams of chunks: the only path from a run to its readers, and authoritative while an answer is running."""
