"""Backends, the connections to models: each streams one reply to one history."""
