"""Explains the decisions about one user, for the command line and the API."""
