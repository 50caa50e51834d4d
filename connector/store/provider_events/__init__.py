"""Stored events of providers, and what they match. Imports `engine`, `users` and `follow_ups`."""
