"""An app of the sites under test, with an assistant that has tools."""
