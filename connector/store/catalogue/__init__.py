"""Drafts, published revisions, windows and orders, and the cache of them. Imports `engine`."""
