"""Runs: one task per answer, which belongs to the process and not to a socket."""
