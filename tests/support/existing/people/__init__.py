"""The users of the site."""
