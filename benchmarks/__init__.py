"""Benchmarks of the chat. Compare figures only within one run: they differ between machines and over the day."""
