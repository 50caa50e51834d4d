"""Messages as Liquid templates, checked and rendered within bounds. Imports `rules`."""
