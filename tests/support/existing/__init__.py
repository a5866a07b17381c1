"""A site that exists already, with every choice that an app may not expect."""
