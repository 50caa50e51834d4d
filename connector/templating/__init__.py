"""Check and render messages as Liquid templates within bounds. Imports `rules`."""
