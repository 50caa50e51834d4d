"""Drafts, published revisions, windows, orders and the launches that they begin. Imports `engine`."""
