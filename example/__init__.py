"""An example site: a bicycle shop whose customers ask an assistant. ``make example`` runs it."""
