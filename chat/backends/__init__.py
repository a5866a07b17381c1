"""The models: each backend streams one reply to one history."""
