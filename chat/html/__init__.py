"""Messages, conversations and forms as HTML, stored or growing; ``markdown/`` is the text of answers."""
