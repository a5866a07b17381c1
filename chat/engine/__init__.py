"""Runs: one task per answer. A run belongs to the server process, not to a socket."""
