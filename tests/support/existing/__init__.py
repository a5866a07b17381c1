"""An existing site, with every choice that an app may not expect."""
